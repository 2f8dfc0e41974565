"""The OpenAPI document is held against the service: what is answered is what is written."""

import asyncio
import subprocess
import sys
from pathlib import Path

import aiohttp


async def test_every_route_is_in_the_document(url: str, http: aiohttp.ClientSession):
    """A generated client covers the whole service."""
    async with http.get(f"{url}/openapi.json") as answer:
        document = await answer.json()
    assert set(document["paths"]) == {
        "/v1/images/generations", "/v1/images/edits", "/v1/models", "/v1/models/{model_id}",
        "/v1/image.generate", "/v1/images", "/v1/images/{image_id}", "/images/{image_id}.png",
        "/v1/jobs", "/v1/jobs/{job_id}", "/v1/jobs/{job_id}/events",
        "/healthz", "/readyz", "/metrics",
    }  # fmt: skip


async def test_schemathesis_finds_no_server_error_and_no_undocumented_answer(url: str):
    """Thousands of requests, right and wrong, are answered as the document says."""
    checks = (
        "not_a_server_error,status_code_conformance,content_type_conformance,"
        "response_schema_conformance,negative_data_rejection"
    )
    command = [
        str(Path(sys.executable).with_name("schemathesis")), "run", f"{url}/openapi.json",
        "--checks", checks, "--max-examples", "40", "--seed", "1", "--no-color",
        "--request-timeout", "30", "--phases", "examples,coverage,fuzzing",
    ]  # fmt: skip
    ran = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, timeout=400, check=False
    )
    assert ran.returncode == 0, ran.stdout[-6000:] + ran.stderr[-2000:]
