"""Takes in a run of many requests: they start together and share API calls."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace

import pytest

from stills.contract.errors import ContentRefused, LinkDead, StillsError
from stills.contract.generation import Stage
from stills.contract.rate_limit import RateLimit
from stills.contract.request import ImageRequest
from stills.provider.dashscope import DashScope
from stills.sandbox import Fault, FaultKind, Sandbox

MODEL = "qwen-image-2.0"


def takes(prompt: str, number: int) -> list[ImageRequest]:
    return [ImageRequest(prompt=prompt, size="512*512", seed=seed) for seed in range(number)]


async def collect(stills, requests: Sequence[ImageRequest], **options):
    """Generate requests, of which those with the same prompt are takes."""
    outcomes = stills.generate_many(
        requests, model=MODEL, takes_of=lambda index: requests[index].prompt, **options
    )
    return [each async for each in outcomes]


def ordered(sandbox: Sandbox) -> list[int]:
    """Return how many images each call ordered."""
    return sorted(send.parameters["n"] for send in sandbox.ledger.generations)


def errors(outcomes) -> Counter[type[StillsError] | type[None]]:
    return Counter(type(each.error) for each in outcomes)


async def test_takes_in_a_run_share_a_call(stills, sandbox):
    """Other requests have calls of their own, and stored takes are not ordered again."""
    kites, boats = takes("a kite", 8), takes("a boat", 3)
    outcomes = await collect(stills, [*kites, *boats, *takes("the sea", 1)])
    assert errors(outcomes) == {type(None): 12}
    assert ordered(sandbox) == [1, 2, 3, 6]
    assert sandbox.ledger.billed_images == 12
    await collect(stills, takes("a boat", 5))
    assert ordered(sandbox) == [1, 2, 2, 3, 6]


async def test_requests_that_are_not_takes_share_no_call(stills, sandbox):
    """Each is made with the seed that it asks for."""
    requests = takes("a kite", 3)
    assert len([each async for each in stills.generate_many(requests, model=MODEL)]) == 3
    assert ordered(sandbox) == [1, 1, 1]


@pytest.mark.parametrize("concurrency", [1, 2, 3])
async def test_a_call_makes_no_more_takes_than_may_be_under_way(stills, sandbox, concurrency):
    """Otherwise those that have started would wait for others that can't start."""
    outcomes = await collect(
        stills, takes("a kite", 7) + takes("a boat", 7), concurrency=concurrency
    )
    assert errors(outcomes) == {type(None): 14}
    assert max(ordered(sandbox)) == concurrency
    assert sandbox.ledger.billed_images == 14


async def test_takes_that_start_too_late_try_again_together(make_stills, sandbox, fast):
    """In a long run, the rate limit is what takes the time."""
    stills = await make_stills(
        policy=replace(fast, deadline_seconds=2.5), rate_limit=RateLimit(1 / 3)
    )
    requests = [one for number in range(3) for one in takes(f"kite {number}", 3)]
    outcomes = await collect(stills, requests)
    assert errors(outcomes) == {type(None): 9}
    assert ordered(sandbox) == [3] * 3


@pytest.mark.parametrize("is_same_process", [True, False])
async def test_a_take_that_another_request_is_making_does_not_delay_the_others(
    stills, make_stills, sandbox, monkeypatch, is_same_process
):
    """They share a call without it, which is sent at once, and it is billed once."""
    send, called, answer = DashScope.send, asyncio.Event(), asyncio.Event()

    async def send_first_later(*arguments, **options):
        if not called.is_set():
            called.set()
            await answer.wait()
        return await send(*arguments, **options)

    monkeypatch.setattr(DashScope, "send", send_first_later)
    requests = takes("a kite", 4)
    elsewhere = stills if is_same_process else await make_stills()
    other = asyncio.create_task(elsewhere.generate(requests[2], model=MODEL))
    await called.wait()
    collecting = asyncio.create_task(collect(stills, requests))
    async with asyncio.timeout(20):
        while not sandbox.ledger.generations:
            await asyncio.sleep(0.001)
    answer.set()
    assert errors(await collecting) == {type(None): 4}
    assert (await other).seed == 2
    assert ordered(sandbox) == [1, 3]


async def test_a_take_that_is_paid_for_does_not_delay_the_others(stills, sandbox, monkeypatch):
    """Its download may take long; they share a call without it."""
    requests = takes("a kite", 4)
    sandbox.set_faults(Fault(FaultKind.DEAD_URL, times=None))
    with pytest.raises(LinkDead):
        await stills.generate(requests[2], model=MODEL)
    sandbox.set_faults()
    download, others_are_sent = DashScope.download, asyncio.Event()

    async def download_later(*arguments, **options):
        await others_are_sent.wait()
        return await download(*arguments, **options)

    monkeypatch.setattr(DashScope, "download", download_later)
    collecting = asyncio.create_task(collect(stills, requests))
    async with asyncio.timeout(10):
        while len(sandbox.ledger.generations) < 2:
            await asyncio.sleep(0.001)
    others_are_sent.set()
    assert errors(await collecting) == {type(None): 4}
    assert ordered(sandbox) == [1, 3]


async def test_a_refusal_is_the_error_of_each_take(stills, sandbox):
    """Other requests of the run are not affected."""
    sandbox.set_faults(Fault(FaultKind.CONTENT_REFUSED, match="kite", times=None))
    outcomes = await collect(stills, takes("a kite", 3) + takes("a boat", 2))
    assert errors(outcomes) == {ContentRefused: 3, type(None): 2}
    assert sandbox.ledger.billed_images == 2


async def test_a_take_that_fails_before_its_call_does_not_delay_the_others(
    stills, sandbox, tmp_path
):
    """They share a call without it, because it has left its place."""
    requests = takes("a kite", 3)
    requests[0] = replace(requests[0], reference_image=str(tmp_path / "nowhere.png"))
    outcomes = stills.generate_many(requests, model=MODEL, takes_of=lambda _: "kite")
    async with aclosing(outcomes):
        first = await anext(outcomes)
        assert (first.index, first.error.field) == (0, "reference_image")
        assert errors([each async for each in outcomes]) == {type(None): 2}
    assert ordered(sandbox) == [2]


async def test_after_stop_takes_that_were_sent_are_finished(stills, sandbox):
    """The takes of one call are finished together, and nothing more is sent."""
    stop = asyncio.Event()

    def follow(_: int, stage: Stage) -> None:
        if stage is Stage.SENT:
            stop.set()

    requests = [one for number in range(20) for one in takes(f"kite {number}", 3)]
    outcomes = await collect(stills, requests, concurrency=3, stop=stop, on_stage=follow)
    assert len(outcomes) == sandbox.ledger.billed_images == sum(ordered(sandbox))
    assert 3 <= len(outcomes) < len(requests)
