"""Jobs for agents, over HTTP with the real client."""

import asyncio
import json

import pytest
from mcp.client import Client
from tests.mcp.test_http_mount import serve as serve  # noqa: PLC0414 - a fixture
from tests.support.job_worker import working

from stills.contract.access import BudgetOwner

KITE = {"prompt": "a red kite", "size": "256*256"}


async def call(client, tool, **arguments):
    answer = await client.call_tool(tool, arguments)
    text = answer.content[0].text
    assert not answer.is_error, text
    return answer.structured_content, text


async def test_an_agent_submits_a_job_and_asks_for_it(serve, stills):
    """The answer comes at once; later it has the images, in pages."""
    shots = [KITE | {"id": f"s{number}", "seed": number} for number in range(3)]
    async with serve(stills) as url, Client(url) as client:
        job, text = await call(client, "image_job_submit", shots=shots, name="film")
        assert job["state"] == "queued"
        assert "0 of 3 images are done" in text
        again, _ = await call(client, "image_job_submit", shots=shots, name="film")
        assert again["id"] == job["id"]
        async with working(stills), asyncio.timeout(120):
            while (await call(client, "image_job_status", id=job["id"]))[0]["state"] != "done":
                await asyncio.sleep(0.1)
        page, text = await call(client, "image_job_status", id=job["id"], limit=2)
        assert [one["id"] for one in page["results"]] == ["s0", "s1"]
        assert json.loads(text.splitlines()[1]) == page["results"][0]
        last, _ = await call(client, "image_job_status", id=job["id"], cursor=page["next_cursor"])
        assert [one["image"]["seed"] for one in last["results"]] == [2]
        assert not last["has_more"]


async def test_a_key_sees_only_its_own_jobs(serve, stills):
    """For another key the job does not exist."""
    owners = {"now": BudgetOwner("film", None)}
    async with (
        serve(stills, find_owner=lambda _: owners["now"]) as url,
        Client(url) as client,
    ):
        job, _ = await call(client, "image_job_submit", **KITE)
        assert job["owner"] == "film"
        owners["now"] = BudgetOwner("other", None)
        answer = await client.call_tool("image_job_status", {"id": job["id"]})
        assert answer.is_error
        assert "there is no job" in answer.content[0].text.lower()


@pytest.mark.parametrize(
    ("tool", "arguments", "words"),
    [
        ("image_job_submit", {"shots": []}, "shots is not a list"),
        ("image_job_submit", {"prompt": "a kite"}, "size is missing"),
        ("image_job_submit", KITE | {"reference_image": "/etc/passwd"}, "neither an https URL"),
        ("image_job_submit", KITE | {"webhook_url": "https://a.example"}, "not an argument"),
        ("image_job_submit", KITE | {"model": "qwen-image"}, "qwen-image"),
        ("image_job_status", {}, "id is missing"),
        ("image_job_status", {"id": "x", "limit": 0}, "limit"),
        ("image_job_status", {"id": "x", "cursor": "y"}, "cursor"),
        ("image_job_status", {"id": "x", "cursor": "9" * 5000}, "cursor"),
        ("image_job_status", {"id": "x", "page": 2}, "The arguments are id, cursor, limit"),
        ("image_job_status", {"id": "none"}, "no job"),
    ],
)
async def test_wrong_arguments_are_tool_errors(serve, stills, tool, arguments, words):
    """The text says what is wrong, and nothing is stored."""
    async with serve(stills) as url, Client(url) as client:
        answer = await client.call_tool(tool, arguments)
        assert answer.is_error
        assert words in answer.content[0].text
    assert not await stills.jobs.list()
