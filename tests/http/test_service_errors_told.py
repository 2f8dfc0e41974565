"""Errors as statuses: the table is complete, and what nobody foresaw is told without details."""

import asyncio
import json
import re
from collections.abc import Iterator
from dataclasses import replace

import aiohttp
import pytest
from tests.support.running_service import serving

from stills.app import Library, Stills
from stills.contract import errors
from stills.contract.generation import Held
from stills.http.errors import error_answer, status_of
from stills.http.settings import Settings
from stills.pipeline.context import Deadline
from stills.sandbox import Fault, FaultKind, Sandbox


def branches(kind: type[errors.StillsError]) -> Iterator[type[errors.StillsError]]:
    yield kind
    for leaf in kind.__subclasses__():
        yield from branches(leaf)


def test_a_caller_is_not_told_which_process_works_on_the_image():
    """Host and pid are for whoever runs the service."""
    deadline = Deadline(at=0.0)
    deadline.held = Held(host="internal-host", pid=4711, since=0.0)
    error = deadline.exceeded(600.0)
    assert "Process 4711 on internal-host" in error.action
    told = error_answer(error).body.decode()
    assert "another process is still working on it" in told
    assert "4711" not in told
    assert "internal-host" not in told


@pytest.mark.parametrize(
    "kind",
    [kind for kind in branches(errors.StillsError) if kind.__module__ == errors.__name__],
    ids=lambda kind: kind.code,
)
def test_every_error_has_a_status_and_waits_when_it_is_429(kind: type[errors.StillsError]):
    """No error of the tree is left to chance."""
    error = kind()
    answer = error_answer(error)
    assert answer.status_code == status_of(error) >= 400
    assert ("retry-after" in answer.headers) == (answer.status_code == 429)
    assert kind.code.encode() in answer.body
    told = answer.body.decode()
    assert not re.search("--[a-z]|STILLS_|DASHSCOPE_", told), "no caller's to set"


@pytest.mark.parametrize("kind", FaultKind)
async def test_no_fault_is_told_with_options_that_a_caller_does_not_have(
    make_stills, fast, http: aiohttp.ClientSession, sandbox: Sandbox, kind: FaultKind
):
    """Nor with variables of the environment: whoever runs the service sets those."""
    sandbox.set_faults(Fault(kind, times=None, delay_seconds=60))
    hasty = replace(fast, deadline_seconds=1.0, download_timeout_seconds=0.3)
    async with serving(await make_stills(policy=hasty), Settings(model="qwen-image-max")) as url:
        body = {"prompt": "a red kite", "size": "512*512"}
        async with http.post(f"{url}/v1/image.generate", json=body) as answer:
            told = await answer.text()
    assert answer.status >= 400
    assert not re.search("--[a-z]|STILLS_|DASHSCOPE_", told)


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
async def test_a_damaged_image_is_told_without_saying_where_it_lies(
    url: str, http: aiohttp.ClientSession, sandbox: Sandbox, tmp_path, accept: str
):
    """Its bytes are set aside on this machine, which is nobody's business."""
    sandbox.set_faults(Fault(FaultKind.CORRUPT_PNG, times=None))
    body = {"prompt": "a red kite", "size": "512*512"}
    headers = {"Accept": accept}
    async with http.post(f"{url}/v1/image.generate", json=body, headers=headers) as answer:
        told = await answer.text()
    assert "damaged_image" in told
    assert "It was billed. Ask again: what was paid for is downloaded free of charge." in told
    assert str(tmp_path) not in told


async def test_variations_that_pass_a_budget_say_what_was_made(
    serve, stills: Stills, http: aiohttp.ClientSession, sandbox: Sandbox
):
    """The caller learns the seeds that are paid for, and is not told that nothing was sent."""
    key = await stills.keys.add("small", day_usd=0.16)
    body = {"prompt": "a red kite", "n": 4, "seed": 7}
    headers = {"Authorization": f"Bearer {key}"}
    url = await serve()
    async with http.post(f"{url}/v1/images/generations", json=body, headers=headers) as answer:
        assert answer.status == 429
        told = (await answer.json())["error"]["message"]
    assert sandbox.ledger.billed_images == 2
    assert "2 of 4 are made, with seeds 7, " in told
    assert "Nothing was sent" not in told


async def test_callers_who_share_a_failure_are_told_only_of_their_own_images(
    url: str, http: aiohttp.ClientSession, sandbox: Sandbox
):
    """Two ask for variations and wait for the same one, which fails."""
    body = {"prompt": "a red kite", "model": "qwen-image-2.0", "size": "512*512"}

    async def ask(seed: int, count: int) -> str:
        given = body | {"seed": seed, "n": count}
        async with http.post(f"{url}/v1/images/generations", json=given) as answer:
            return await answer.text()

    await ask(1, 2)
    sandbox.set_faults(
        Fault(FaultKind.SLOW, delay_seconds=0.5), Fault(FaultKind.DEAD_URL, times=None)
    )
    told = await asyncio.gather(ask(2, 2), ask(1, 3))
    assert sandbox.ledger.billed_images == 3
    assert "1 of 2 are made, with seeds 2; " in told[0]
    assert "2 of 3 are made, with seeds 1, 2; " in told[1]
    assert [one.count("are made") for one in told] == [1, 1]
    assert sum("It was billed." in one for one in told) == 1


async def test_who_is_cut_off_when_the_service_stops_is_told_so(
    make_stills, http: aiohttp.ClientSession, sandbox: Sandbox
):
    """In the usual shape, also at the end of a stream, and without a traceback in the log."""
    sandbox.set_faults(Fault(FaultKind.SLOW, times=None, delay_seconds=8.0))
    body = {"prompt": "a red kite", "size": "512*512"}

    async def ask(url: str, accept: str) -> tuple[int, str | None, str]:
        headers = {"Accept": accept}
        async with http.post(f"{url}/v1/image.generate", json=body, headers=headers) as answer:
            again = answer.headers.get("x-should-retry")
            return answer.status, again, await answer.text()

    settings = Settings(model="qwen-image-max", drain_seconds=60.0)
    stopping = serving(await make_stills(), settings, timeout_graceful_shutdown=1)
    async with stopping as url:
        asking = [asyncio.create_task(ask(url, kind)) for kind in ("*/*", "text/event-stream")]
        while not sandbox.ledger.generations:
            await asyncio.sleep(0.01)
    (status, again, told), (_, _, streamed) = await asyncio.gather(*asking)
    assert (status, again) == (503, "false")
    assert "may be billed" in told
    assert json.loads(told)["error"]["code"] == "stopping"
    assert streamed.rstrip().rpartition("data: ")[2] == told
    assert len(sandbox.ledger.generations) == 1


async def test_what_nobody_foresaw_is_told_without_details(
    serve, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch, caplog
):
    """A defect of ours gives a 500 in the usual shape, and no path in the log."""

    async def fail(*_: object, **__: object) -> None:
        raise RuntimeError("/srv/secret/path")

    url = await serve()
    monkeypatch.setattr(Library, "search", fail)
    async with http.get(f"{url}/v1/images") as answer:
        assert answer.status == 500
        assert (await answer.json())["error"]["code"] == "error"
        assert "secret" not in await answer.text()
    told = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert told
    assert all("secret" not in line for line in told)
    assert all(record.exc_info is None for record in caplog.records if record.levelno >= 30)
