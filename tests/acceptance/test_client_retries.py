"""Clients that time out, retry or ask several workers at once: each image is billed once."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest
from tests.acceptance.conftest import Service
from tests.support.serve_process import Server

KITE = {"prompt": "a red kite", "size": "512*512"}


@pytest.fixture
def slow(start_service: Callable[..., Service]) -> Service:
    """A sandbox that takes longer than the clients wait."""
    return start_service("--latency", "3")


@pytest.fixture
def workers(serve: Callable[..., Server], slow: Service) -> Server:
    """Two worker processes on one catalog."""
    return serve("--workers", "2", "--log-format", "json", **slow.variables)


def count_posts(tmp_path) -> int:
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    return len([line for line in lines if line.get("method") == "POST"])


NEW = {"fresh": True}
KEY = {"Idempotency-Key": "shot-1"}


@pytest.mark.parametrize(("fields", "headers"), [({}, {}), (NEW, KEY)])
def test_a_client_that_times_out_and_retries_pays_once(
    workers: Server, slow: Service, tmp_path, fields: dict[str, Any], headers: dict[str, str]
):
    """OpenAI's client gives up before the images are made, and asks again by itself."""
    with openai.OpenAI(
        api_key="any", base_url=f"{workers.url}/v1", timeout=1.0, max_retries=20
    ) as client:
        answers = [
            client.images.generate(
                prompt="a red kite",
                n=2,
                response_format="url",
                extra_body=fields,
                extra_headers=headers,
            )
            for _ in range(2 if headers else 1)
        ]
    assert slow.billed() == 2
    assert len({image.url for answer in answers for image in answer.data}) == 2
    assert workers.stop() == 0
    assert count_posts(tmp_path) > 2


@pytest.mark.parametrize("fields", [{}, NEW | {"takes": 2}])
def test_requests_with_one_idempotency_key_at_the_same_moment_are_one_bill(
    workers: Server, slow: Service, fields: dict[str, Any]
):
    """Whichever worker they reach, they get the same answer, also if it must be a new image."""
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: workers.ask(KITE | fields, **KEY), range(12)))
    assert all(answer == answers[0] for answer in answers)
    assert slow.billed() == fields.get("takes", 1)
