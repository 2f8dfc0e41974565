"""Many requests: outcomes as they finish, errors per request, constant memory."""

import asyncio
import gc
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from dataclasses import replace

import pytest

from stills.catalog import SqliteCatalog
from stills.contract.errors import (
    Billing,
    ConnectionLost,
    ContentRefused,
    InvalidRequest,
    RateLimited,
    UnknownModel,
)
from stills.contract.generation import Stage
from stills.contract.rate_limit import RateLimit
from stills.contract.request import ImageRequest
from stills.pipeline.generate_many import LOOKAHEAD
from stills.ratelimit.limiter import RateLimiter
from stills.sandbox import Fault, FaultKind

SIZE = "512*512"
MODEL = "qwen-image-2.0"


def ask(number: int, **fields: object) -> ImageRequest:
    return ImageRequest(prompt=f"a kite, picture {number}.", size=SIZE, seed=7, **fields)


async def collect(stills, requests, **options):
    return [each async for each in stills.generate_many(requests, model=MODEL, **options)]


async def test_each_request_has_one_outcome_with_its_index(stills, sandbox):
    """From a list, a generator or an async generator; repeated, all are in the catalog."""
    requests = [ask(number) for number in range(10)]

    async def one_by_one() -> AsyncIterator[ImageRequest]:
        for request in requests:
            await asyncio.sleep(0)
            yield request

    for given, cached in ((requests, False), (iter(requests), True), (one_by_one(), True)):
        outcomes = await collect(stills, given)
        assert sorted(each.index for each in outcomes) == list(range(10))
        assert all(each.request is requests[each.index] for each in outcomes)
        assert all(each.result.cached is cached for each in outcomes)
        assert all(each.error is None for each in outcomes)
    assert sandbox.ledger.billed_images == 10


async def test_a_cancelled_iterator_of_requests_is_an_error(stills):
    """The run does not hang."""

    async def requests() -> AsyncIterator[ImageRequest]:
        yield ask(1)
        raise asyncio.CancelledError

    with pytest.raises(RuntimeError, match="was cancelled from outside"):
        async with asyncio.timeout(20):
            await collect(stills, requests())


async def test_no_requests_have_no_outcomes(stills):
    """And no error."""
    assert await collect(stills, []) == []


async def test_the_catalog_answers_as_generate_does(stills):
    """The same result, note and count, at native size and rendered."""
    asked = [ask(1), replace(ask(1), size="320*320")]
    made = [await stills.generate(each, model=MODEL) for each in asked]
    alone = [await stills.generate(each, model=MODEL) for each in asked]
    together = [each.result for each in await collect(stills, asked)]
    assert together == alone
    assert [each.id for each in together] == [each.id for each in made]
    assert [line.saved for line in await stills.spend()] == [5]


async def test_new_requests_are_looked_up_together(stills, monkeypatch):
    """Not one by one before they are sent; a note still says that an image was deleted."""
    made = await stills.generate(ask(1), model=MODEL)
    await stills.images.delete(await stills.images.find(made.id))

    async def fail(*_: object) -> None:
        raise AssertionError("looked up alone")

    monkeypatch.setattr(SqliteCatalog, "find", fail)
    found = await collect(stills, [ask(1), ask(2)])
    notes = {each.index: each.result.notes for each in found}
    assert any("was deleted on" in note for note in notes[0])
    assert not any("was deleted on" in note for note in notes[1])


async def test_the_same_request_many_times_is_billed_once(stills, sandbox):
    """All at once, before any is stored."""
    outcomes = await collect(stills, [ask(1)] * 20, concurrency=5)
    assert len(outcomes) == 20
    assert sandbox.ledger.billed_images == 1
    assert sum(not each.result.cached for each in outcomes) == 1


async def test_an_error_is_the_outcome_of_its_request(stills, sandbox):
    """The other images are generated."""
    sandbox.set_faults(Fault(FaultKind.CONTENT_REFUSED, times=None, match="picture 2."))
    too_long = replace(ask(9), prompt="a kite " * 1000)
    outcomes = await collect(stills, [*map(ask, range(5)), too_long])
    errors = {each.index: type(each.error) for each in outcomes if each.error}
    assert errors == {2: ContentRefused, 5: InvalidRequest}
    assert all((each.result is None) == (each.index in errors) for each in outcomes)


async def test_a_lost_file_is_one_request_s_error(stills, tmp_path):
    """The catalog has it, the store does not."""
    made = await collect(stills, map(ask, range(3)))
    lost = next(each for each in made if each.index == 1)
    next(tmp_path.glob(f"images/*{lost.result.id[:12]}*.png")).unlink()
    again = await collect(stills, map(ask, range(3)))
    assert {each.index: each.error and each.error.code for each in again} == {
        0: None,
        1: "image_missing",
        2: None,
    }


async def test_an_answer_that_could_not_be_counted_says_so(stills, sandbox, tmp_path):
    """By itself or with others: the image is stored, so it is returned."""
    await collect(stills, map(ask, range(2)))
    with closing(sqlite3.connect(tmp_path / "stills.db")) as catalog:
        catalog.execute(
            "CREATE TRIGGER t BEFORE INSERT ON answers BEGIN SELECT raise(ABORT, 'no'); END"
        )
    results = [each.result for each in await collect(stills, map(ask, range(2)))]
    for result in (*results, await stills.generate(ask(0), model=MODEL)):
        assert result.cached
        assert "not counted" in result.notes[-1]
    assert sandbox.ledger.billed_images == 2


async def test_requests_are_read_as_they_are_needed(stills):
    """Of a million requests, only a few more than are under way are read."""
    taken = 0

    def rows() -> Iterator[ImageRequest]:
        nonlocal taken
        for number in range(1_000_000):
            taken += 1
            yield ask(number)

    async for _ in stills.generate_many(rows(), model=MODEL, concurrency=3):
        break
    assert taken <= 3 + 2 * LOOKAHEAD + 3


async def test_no_more_wait_for_the_service_than_allowed(stills, sandbox):
    """It sees four at a time; at most as many again are being prepared or stored."""
    sandbox.set_faults(Fault(FaultKind.SLOW, times=None, delay_seconds=0.5))
    under_way: set[int] = set()
    at_service, preparing = [0], [0]

    def follow(index: int, stage: Stage) -> None:
        under_way.add(index) if stage is Stage.CLAIMED else None
        under_way.discard(index) if stage is Stage.KEPT else None
        at_service.append(sum(not send.finished for send in sandbox.ledger.generations))
        preparing.append(len(under_way))

    await collect(stills, map(ask, range(16)), concurrency=4, on_stage=follow)
    assert max(at_service) == 4
    assert 4 < max(preparing) <= 8


async def test_a_failing_source_ends_the_run_with_its_own_exception(stills):
    """Earlier requests may be under way; nothing hangs."""

    def rows() -> Iterator[ImageRequest]:
        yield ask(1)
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="disk is gone"):
        await collect(stills, rows())


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"concurrency": 0}, InvalidRequest),
        ({"concurrency": "4"}, InvalidRequest),
        ({"model": "qwen-image"}, UnknownModel),
    ],
)
async def test_invalid_arguments_are_rejected_before_anything_is_read(stills, options, error):
    """Once, not per request."""

    def rows() -> Iterator[ImageRequest]:
        raise AssertionError("read")
        yield

    with pytest.raises(error):
        await anext(stills.generate_many(rows(), **options))


async def test_an_object_that_is_not_a_request_ends_the_run(stills):
    """The error says what to do, as for a single one: many would pass a dict."""
    with pytest.raises(InvalidRequest, match="the request is a dict") as refused:
        await collect(stills, [ask(1), {"prompt": "a kite", "size": SIZE}])
    assert "ImageRequest.from_mapping" in refused.value.action


async def test_after_leaving_the_loop_sent_calls_are_finished_and_nothing_is_sent(
    make_stills, sandbox, tmp_path
):
    """Requests waiting to start are cancelled, and their claims released."""
    sandbox.set_faults(Fault(FaultKind.SLOW, times=None, delay_seconds=0.3, match="picture 1."))
    stills = await make_stills(rate_limit=RateLimit(0.2))
    requests = [ask(0), ask(1), ask(2)]
    await stills.generate(requests[0], model=MODEL)
    async for outcome in stills.generate_many(requests, model=MODEL, concurrency=2):
        assert outcome.index == 0
        break
    assert len(sandbox.ledger.generations) == 1
    catalog = SqliteCatalog(tmp_path / "stills.db")
    assert await catalog.list_unfinished() == []
    await catalog.close()


async def test_after_stop_only_sent_requests_have_outcomes(make_stills, sandbox):
    """As Ctrl-C in a terminal needs it."""
    stop = asyncio.Event()
    stills = await make_stills(rate_limit=RateLimit(0.2))
    sandbox.set_faults(Fault(FaultKind.SLOW, times=None, delay_seconds=0.2))

    def follow(_: int, stage: Stage) -> None:
        if stage is Stage.SENT:
            stop.set()

    outcomes = await collect(stills, map(ask, range(50)), concurrency=3, stop=stop, on_stage=follow)
    assert [each.index for each in outcomes] == [0]
    assert not outcomes[0].result.cached
    assert len(sandbox.ledger.generations) == 1


async def test_stop_works_until_the_moment_of_the_call(stills, sandbox):
    """A request that was not sent when `stop` was set is not sent afterwards."""
    stop = asyncio.Event()
    stages: list[Stage] = []

    def follow(_: int, stage: Stage) -> None:
        stages.append(stage)
        stop.set()

    await collect(stills, [ask(0)])  # the SDK is loaded: nothing is waited for before the next send
    outcomes = await collect(stills, [ask(1)], stop=stop, on_stage=follow)
    assert (outcomes, stages) == ([], [Stage.CLAIMED])
    assert sandbox.ledger.billed_images == 1


async def test_stop_affects_only_its_own_requests(stills, sandbox):
    """Another caller who waits for the same image gets it."""
    stop = asyncio.Event()
    await collect(stills, [ask(0)])

    def follow(stage: Stage) -> None:
        if stage is Stage.CLAIMED:
            stop.set()

    stopped = stills.generate(ask(1), model=MODEL, stop=stop, on_stage=follow)
    first = asyncio.create_task(stopped)
    second = asyncio.create_task(stills.generate(ask(1), model=MODEL))
    await asyncio.wait({first, second})
    assert first.cancelled()
    assert not second.result().cached
    assert sandbox.ledger.billed_images == 2


@pytest.mark.parametrize("rate_limit", [None, RateLimit(5.0)])
@pytest.mark.parametrize("stopped", ["before the refusal", "after it"])
async def test_after_stop_a_rejected_call_is_not_retried(make_stills, sandbox, rate_limit, stopped):
    """Whatever Retry-After says, and with or without a rate limit."""
    stop = asyncio.Event()
    stills = await make_stills(rate_limit=rate_limit)
    sandbox.set_faults(Fault(FaultKind.THROTTLED, times=None, retry_after_seconds=6))

    def follow(_: int, stage: Stage) -> None:
        if stage is Stage.SENT and stopped == "before the refusal":
            stop.set()

    async def stop_later() -> None:
        while not any(send.finished for send in sandbox.ledger.generations):
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        stop.set()

    later = asyncio.create_task(stop_later())
    outcomes = await collect(stills, map(ask, range(9)), concurrency=1, stop=stop, on_stage=follow)
    await later
    assert {type(each.error) for each in outcomes} == {RateLimited}
    assert len(sandbox.ledger.generations) == len(outcomes) <= 2


async def test_after_stop_a_lost_call_is_not_retried(stills, sandbox):
    """It may be billed, and its error says so."""
    stop = asyncio.Event()
    sandbox.set_faults(Fault(FaultKind.DROP_AFTER, times=None))

    def follow(_: int, stage: Stage) -> None:
        if stage is Stage.SENT:
            stop.set()

    outcomes = await collect(stills, map(ask, range(9)), concurrency=1, stop=stop, on_stage=follow)
    assert [(each.index, type(each.error)) for each in outcomes] == [(0, ConnectionLost)]
    assert outcomes[0].error.billing is Billing.POSSIBLE
    assert len(sandbox.ledger.generations) == 1


async def test_a_start_after_the_deadline_is_waited_for(make_stills, sandbox, fast):
    """In a run, requests wait as long as necessary; a single request is rejected."""
    stills = await make_stills(
        policy=replace(fast, deadline_seconds=2.5), rate_limit=RateLimit(1 / 3)
    )
    outcomes = await collect(stills, map(ask, range(3)), concurrency=3)
    assert Counter(type(each.error) for each in outcomes) == {type(None): 3}
    assert len(sandbox.ledger.generations) == sandbox.ledger.billed_images == 3


async def test_a_slot_that_comes_too_late_is_waited_for_again(make_stills, sandbox, fast):
    """A slow answer does not use up the time of the requests behind it."""
    stills = await make_stills(policy=replace(fast, deadline_seconds=4.6))
    sandbox.set_faults(Fault(FaultKind.SLOW, times=None, delay_seconds=2.4))
    outcomes = await collect(stills, map(ask, range(3)), concurrency=1)
    assert Counter(type(each.error) for each in outcomes) == {type(None): 3}
    assert len(sandbox.ledger.generations) == 3


async def test_fresh_generates_every_image(stills, sandbox):
    """The catalog does not matter."""
    await collect(stills, map(ask, range(3)))
    outcomes = await collect(stills, map(ask, range(3)), fresh=True)
    assert [each.result.cached for each in outcomes] == [False] * 3
    assert sandbox.ledger.billed_images == 6


async def test_fresh_can_be_decided_per_index(stills, sandbox):
    """Only those are generated, and all share the slots."""
    await collect(stills, map(ask, range(8)))
    sandbox.set_faults(Fault(FaultKind.SLOW, times=None, delay_seconds=0.05))
    at_service = [0]

    def follow(*_: object) -> None:
        at_service.append(sum(not send.finished for send in sandbox.ledger.generations))

    outcomes = await collect(
        stills,
        map(ask, range(16)),
        concurrency=2,
        fresh=lambda index: index % 2 == 0,
        on_stage=follow,
    )
    cached = {each.index for each in outcomes if each.result.cached}
    assert cached == {1, 3, 5, 7}
    assert max(at_service) == 2


def count_limiters() -> int:
    gc.collect()
    return sum(isinstance(one, RateLimiter) for one in gc.get_objects())


async def test_nothing_grows_with_the_number_of_requests(stills):
    """Only work under way is in memory."""
    await collect(stills, map(ask, range(2)))
    limiters = count_limiters()
    await collect(stills, map(ask, range(2, 30)))
    assert stills.under_way == 0
    assert count_limiters() == limiters
