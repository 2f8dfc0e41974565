"""Errors as answers: both tables are complete, and no answer shows what is private."""

import asyncio
import json
import re
from collections.abc import Iterator
from dataclasses import replace

import aiohttp
import pytest
from tests.support.running_service import serving

from stills.app import Stills
from stills.contract import errors
from stills.contract.errors import Billing, Remedy
from stills.contract.generation import Held
from stills.http.errors import ACTIONS, error_answer, status_of
from stills.http.settings import Settings
from stills.library import Library
from stills.pipeline.context import Deadline
from stills.sandbox import DOWNLOAD_FAULTS, Fault, FaultKind, Sandbox
from stills.sandbox.faults import GENERATION_FAULTS, TASK_FAULTS, TASK_QUERY_FAULTS

OPTION = re.compile(r"--[a-z]|STILLS_|DASHSCOPE_")


def branches(kind: type[errors.StillsError]) -> Iterator[type[errors.StillsError]]:
    yield kind
    for leaf in kind.__subclasses__():
        yield from branches(leaf)


def test_a_caller_does_not_learn_which_process_works_on_the_image():
    """Host and pid are for the operator of the service."""
    deadline = Deadline(at=0.0)
    deadline.held = Held(host="internal-host", pid=4711, since=0.0)
    error = deadline.exceeded(600.0)
    assert "Process 4711 on internal-host" in error.action
    text = error_answer(error).body.decode()
    assert "another process is still working on it" in text
    assert "4711" not in text
    assert "internal-host" not in text


@pytest.mark.parametrize(
    "kind",
    [kind for kind in branches(errors.StillsError) if kind.__module__ == "stills.errors"],
    ids=lambda kind: kind.code,
)
def test_every_error_has_a_status_and_a_wait_if_it_is_429(kind: type[errors.StillsError]):
    """The table of statuses covers the whole tree."""
    error = kind()
    answer = error_answer(error)
    assert answer.status_code == status_of(error) >= 400
    assert ("retry-after" in answer.headers) == (answer.status_code == 429)
    assert kind.code.encode() in answer.body
    assert not OPTION.search(answer.body.decode()), "a caller can't set it"
    private = error_answer(kind("/srv/secret of account 4711")).body.decode()
    assert ("secret" in private) is kind.is_public


def test_every_remedy_has_a_sentence():
    """The table of advice is complete."""
    assert set(ACTIONS) == set(Remedy)
    assert all(re.fullmatch(r"[A-Z].+\.", sentence) for sentence in ACTIONS.values())


def test_a_reference_is_described_in_the_forms_of_http():
    """HTTP accepts neither a path nor bytes."""
    text = error_answer(errors.InvalidReference("it is empty")).body.decode()
    assert "Give an https URL or a data URL of a PNG, JPEG, WebP, GIF, BMP or TIFF." in text


def test_a_retry_after_a_billed_call_is_called_free():
    """The deadline came after the image was billed, so a retry only finishes it."""
    late = errors.DeadlineExceeded("no image within 60 s", billing=Billing.BILLED)
    text = error_answer(late).body.decode()
    assert "It was billed. Retry: the image that was billed is finished free of charge." in text


@pytest.mark.parametrize(
    "kind",
    sorted((GENERATION_FAULTS | DOWNLOAD_FAULTS) - {FaultKind.WRONG_SIZE_PNG}),  # not an error
)
async def test_no_fault_names_options_that_a_caller_does_not_have(
    make_stills, fast, http: aiohttp.ClientSession, sandbox: Sandbox, kind: FaultKind
):
    """Options and variables are set by the operator of the service."""
    sandbox.set_faults(Fault(kind, times=None, delay_seconds=60))
    hasty = replace(fast, deadline_seconds=1.0, download_timeout_seconds=0.3)
    async with serving(await make_stills(policy=hasty), Settings(model="qwen-image-max")) as url:
        body = {"prompt": "a red kite", "size": "512*512"}
        async with http.post(f"{url}/v1/image.generate", json=body) as answer:
            text = await answer.text()
    assert answer.status >= 400
    assert not OPTION.search(text)


@pytest.mark.parametrize("kind", sorted(TASK_FAULTS | TASK_QUERY_FAULTS))
async def test_no_fault_of_a_task_names_options_either(
    make_stills, fast, http: aiohttp.ClientSession, sandbox: Sandbox, kind: FaultKind
):
    """A caller can repeat the request, but not run a command on this machine."""
    sandbox.set_faults(Fault(kind, times=None, delay_seconds=60))
    hasty = replace(fast, deadline_seconds=1.0)
    async with serving(await make_stills(policy=hasty), Settings(model="qwen-image-3.0")) as url:
        body = {"prompt": "a red kite", "size": "512*512"}
        async with http.post(f"{url}/v1/image.generate", json=body) as answer:
            text = await answer.text()
    assert answer.status >= 400
    assert not OPTION.search(text)
    if "task_running" in text:
        assert (answer.status, answer.headers["x-should-retry"]) == (504, "true")
        assert "no other call is sent or billed" in text


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
async def test_the_path_of_a_damaged_image_is_not_shown(
    url: str, http: aiohttp.ClientSession, sandbox: Sandbox, tmp_path, accept: str
):
    """Its bytes are set aside on this machine; only the operator learns where."""
    sandbox.set_faults(Fault(FaultKind.CORRUPT_PNG, times=None))
    body = {"prompt": "a red kite", "size": "512*512"}
    headers = {"Accept": accept}
    async with http.post(f"{url}/v1/image.generate", json=body, headers=headers) as answer:
        text = await answer.text()
    assert "damaged_image" in text
    assert "It was billed. Retry: the image that was billed is finished free of charge." in text
    assert str(tmp_path) not in text


async def test_variations_over_a_budget_report_the_finished_images(
    serve, stills: Stills, http: aiohttp.ClientSession, sandbox: Sandbox
):
    """The caller learns which seeds are paid for, and does not read that nothing was sent."""
    key = await stills.keys.add("small", day_usd=0.16)
    body = {"prompt": "a red kite", "n": 4, "seed": 7}
    headers = {"Authorization": f"Bearer {key}"}
    url = await serve()
    async with http.post(f"{url}/v1/images/generations", json=body, headers=headers) as answer:
        assert answer.status == 429
        text = (await answer.json())["error"]["message"]
    assert sandbox.ledger.billed_images == 2
    assert "2 of 4 images are stored (seeds 7, " in text
    assert "nothing was sent" not in text.lower()


async def test_callers_who_share_a_failure_learn_only_of_their_own_images(
    url: str, http: aiohttp.ClientSession, sandbox: Sandbox
):
    """Two requests for variations wait for the same image, which fails."""
    body = {"prompt": "a red kite", "model": "qwen-image-2.0", "size": "512*512"}

    async def ask(seed: int, count: int) -> str:
        given = body | {"seed": seed, "n": count}
        async with http.post(f"{url}/v1/images/generations", json=given) as answer:
            return await answer.text()

    await ask(1, 2)
    sandbox.set_faults(
        Fault(FaultKind.SLOW, delay_seconds=0.5), Fault(FaultKind.DEAD_URL, times=None)
    )
    texts = await asyncio.gather(ask(2, 2), ask(1, 3))
    assert sandbox.ledger.billed_images == 3
    assert "1 of 2 images is stored (seed 2), " in texts[0]
    assert "2 of 3 images are stored (seeds 1, 2), nothing billed for them; " in texts[1]
    assert [one.count("stored (") for one in texts] == [1, 1]
    assert sum("It was billed." in one for one in texts) == 1


async def test_a_request_that_is_cut_off_by_a_stop_gets_an_answer(
    make_stills, http: aiohttp.ClientSession, sandbox: Sandbox
):
    """It has the usual shape, also at the end of a stream, and the log has no traceback."""
    sandbox.set_faults(Fault(FaultKind.SLOW, times=None, delay_seconds=8.0))
    kite = {"prompt": "a red kite", "size": "512*512"}

    async def ask(url: str, accept: str) -> tuple[int, str | None, str]:
        headers = {"Accept": accept}
        async with http.post(f"{url}/v1/image.generate", json=kite, headers=headers) as answer:
            again = answer.headers.get("x-should-retry")
            return answer.status, again, await answer.text()

    settings = Settings(model="qwen-image-max", drain_seconds=60.0)
    stopping = serving(await make_stills(), settings, timeout_graceful_shutdown=1)
    async with stopping as url:
        asking = [asyncio.create_task(ask(url, kind)) for kind in ("*/*", "text/event-stream")]
        while not sandbox.ledger.generations:
            await asyncio.sleep(0.01)
    (status, again, text), (_, _, streamed) = await asyncio.gather(*asking)
    assert (status, again) == (503, "false")
    assert "may be billed" in text
    assert json.loads(text)["error"]["code"] == "stopping"
    assert streamed.rstrip().rpartition("data: ")[2] == text
    assert len(sandbox.ledger.generations) == 1


async def test_an_unexpected_error_shows_no_details(
    serve, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch, caplog
):
    """A defect of ours is a 500 in the usual shape, without a path in the log."""

    async def fail(*_: object, **__: object) -> None:
        raise RuntimeError("/srv/secret/path")

    url = await serve()
    monkeypatch.setattr(Library, "search", fail)
    async with http.get(f"{url}/v1/images") as answer:
        assert answer.status == 500
        assert (await answer.json())["error"]["code"] == "error"
        assert "secret" not in await answer.text()
    lines = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert lines
    assert all("secret" not in line for line in lines)
    assert all(record.exc_info is None for record in caplog.records if record.levelno >= 30)


async def test_an_unexpected_error_is_the_last_event_of_a_stream(
    serve, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
):
    """A stream that only ended would look complete."""

    async def fail(*_: object, **__: object) -> None:
        raise RuntimeError("/srv/secret/path")

    url = await serve()
    monkeypatch.setattr(Stills, "generate", fail)
    headers = {"Accept": "text/event-stream"}
    kite = {"prompt": "a red kite", "size": "512*512"}
    async with http.post(f"{url}/v1/image.generate", json=kite, headers=headers) as answer:
        event, data = (await answer.text()).rstrip().splitlines()[-2:]
    assert event == "event: error"
    assert json.loads(data.removeprefix("data: "))["error"]["code"] == "error"
    assert "secret" not in data
