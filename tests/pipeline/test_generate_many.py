"""Many requests: outcomes as they finish, errors that stay with their request, nothing hoarded."""

import asyncio
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from dataclasses import replace

import pytest

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
from stills.sandbox import Fault, FaultKind

SIZE = "512*512"
MODEL = "qwen-image-2.0"


def ask(number: int, **facts: object) -> ImageRequest:
    return ImageRequest(prompt=f"a kite, picture {number}.", size=SIZE, seed=7, **facts)


async def collect(stills, requests, **options):
    return [each async for each in stills.generate_many(requests, model=MODEL, **options)]


async def test_each_request_has_one_outcome_with_its_index(stills, sandbox):
    """Given as a list, a generator or an asynchronous one; asked again, all are there."""
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


async def test_whoever_makes_the_requests_may_be_cancelled(stills):
    """That is told, and nobody waits for ever."""

    async def requests() -> AsyncIterator[ImageRequest]:
        yield ask(1)
        raise asyncio.CancelledError

    with pytest.raises(RuntimeError, match="were cancelled by whoever makes them"):
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


async def test_the_same_request_many_times_is_billed_once(stills, sandbox):
    """All at once, before any is kept."""
    outcomes = await collect(stills, [ask(1)] * 20, concurrency=5)
    assert len(outcomes) == 20
    assert sandbox.ledger.billed_images == 1
    assert sum(not each.result.cached for each in outcomes) == 1


async def test_an_error_is_the_outcome_of_its_request_alone(stills, sandbox):
    """The others are made."""
    sandbox.set_faults(Fault(FaultKind.CONTENT_REFUSED, times=None, match="picture 2."))
    too_long = replace(ask(9), prompt="x" * 900)
    outcomes = await collect(stills, [*map(ask, range(5)), too_long])
    errors = {each.index: type(each.error) for each in outcomes if each.error}
    assert errors == {2: ContentRefused, 5: InvalidRequest}
    assert all((each.result is None) == (each.index in errors) for each in outcomes)


async def test_a_lost_file_is_one_request_s_error(stills, tmp_path):
    """The catalog knows it, the store does not."""
    made = await collect(stills, map(ask, range(3)))
    lost = next(each for each in made if each.index == 1)
    next(tmp_path.glob(f"images/*{lost.result.id[:12]}*.png")).unlink()
    again = await collect(stills, map(ask, range(3)))
    assert {each.index: each.error and each.error.code for each in again} == {
        0: None,
        1: "image_missing",
        2: None,
    }


async def test_an_answer_that_could_not_be_counted_is_one_that_says_so(stills, sandbox, tmp_path):
    """Asked for alone or with others: the image is there, and that is what was asked for."""
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
    """Of a million rows few more than are under way are taken."""
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
    """It sees four at a time; at most as many again are made ready or kept meanwhile."""
    sandbox.set_faults(Fault(FaultKind.SLOW, times=None, delay_seconds=0.5))
    under_way: set[int] = set()
    at_service, beside = [0], [0]

    def follow(index: int, stage: Stage) -> None:
        under_way.add(index) if stage is Stage.CLAIMED else None
        under_way.discard(index) if stage is Stage.KEPT else None
        at_service.append(sum(not send.finished for send in sandbox.ledger.generations))
        beside.append(len(under_way))

    await collect(stills, map(ask, range(16)), concurrency=4, on_stage=follow)
    assert max(at_service) == 4
    assert 4 < max(beside) <= 8


async def test_a_failing_source_ends_the_run_with_its_own_exception(stills):
    """What was asked before it may be under way; nothing hangs."""

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
async def test_what_can_not_work_is_refused_before_anything_is_read(stills, options, error):
    """Once, and not for each row."""

    def rows() -> Iterator[ImageRequest]:
        raise AssertionError("read")
        yield

    with pytest.raises(error):
        await anext(stills.generate_many(rows(), **options))


async def test_what_is_no_request_ends_the_run_with_what_to_do(stills):
    """As it does for one: a dict is what many would give."""
    with pytest.raises(InvalidRequest, match="the request is a dict") as refused:
        await collect(stills, [ask(1), {"prompt": "a kite", "size": SIZE}])
    assert "ImageRequest.from_mapping" in refused.value.action


async def test_leaving_the_loop_lets_what_was_sent_be_kept_and_sends_nothing_more(
    make_stills, sandbox
):
    """What waits for its start is given up, with its claim."""
    sandbox.set_faults(Fault(FaultKind.SLOW, times=None, delay_seconds=0.3, match="picture 1."))
    stills = await make_stills(rate_limit=RateLimit(0.2))
    requests = [ask(0), ask(1), ask(2)]
    await stills.generate(requests[0], model=MODEL)
    async for outcome in stills.generate_many(requests, model=MODEL, concurrency=2):
        assert outcome.index == 0
        break
    assert len(sandbox.ledger.generations) == 1
    assert await stills._ports.catalog.list_unfinished() == []


async def test_after_stop_what_was_sent_has_an_outcome_and_the_rest_none(make_stills, sandbox):
    """As Ctrl-C in a terminal wants it."""
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


async def test_stop_comes_in_time_until_the_very_moment_of_the_send(stills, sandbox):
    """A request that was not sent when `stop` was set is not sent after it."""
    stop = asyncio.Event()
    stages: list[Stage] = []

    def follow(_: int, stage: Stage) -> None:
        stages.append(stage)
        stop.set()

    await collect(stills, [ask(0)])  # the SDK is loaded: nothing is waited for before the next send
    outcomes = await collect(stills, [ask(1)], stop=stop, on_stage=follow)
    assert (outcomes, stages) == ([], [Stage.CLAIMED])
    assert sandbox.ledger.billed_images == 1


async def test_stop_concerns_only_those_it_was_given_to(stills, sandbox):
    """Another caller, who waits for the same image, gets it."""
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
async def test_after_stop_what_the_service_refused_is_not_sent_again(
    make_stills, sandbox, rate_limit, stopped
):
    """However long it says to wait, and whether or not sends are paced: nobody waits for that."""
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


async def test_after_stop_what_was_cut_off_is_not_sent_again(stills, sandbox):
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


async def test_a_start_that_comes_after_the_deadline_is_waited_for(make_stills, sandbox, fast):
    """Among many a turn is waited for as long as it takes; a single request is refused."""
    stills = await make_stills(policy=replace(fast, deadline_seconds=0.9), rate_limit=RateLimit(2))
    outcomes = await collect(stills, map(ask, range(5)), concurrency=5)
    assert Counter(type(each.error) for each in outcomes) == {type(None): 5}
    times = [send.time for send in sandbox.ledger.generations]
    assert len(times) == sandbox.ledger.billed_images == 5


async def test_a_place_that_comes_too_late_is_waited_for_anew(make_stills, sandbox, fast):
    """One that is answered late does not use up the time of who waits behind it."""
    stills = await make_stills(policy=replace(fast, deadline_seconds=2.4))
    sandbox.set_faults(Fault(FaultKind.SLOW, times=None, delay_seconds=1.4))
    outcomes = await collect(stills, map(ask, range(3)), concurrency=1)
    assert Counter(type(each.error) for each in outcomes) == {type(None): 3}
    assert len(sandbox.ledger.generations) == 3


async def test_fresh_makes_each_anew(stills, sandbox):
    """What the catalog has does not matter."""
    await collect(stills, map(ask, range(3)))
    outcomes = await collect(stills, map(ask, range(3)), fresh=True)
    assert [each.result.cached for each in outcomes] == [False] * 3
    assert sandbox.ledger.billed_images == 6


async def test_fresh_can_be_told_by_index(stills, sandbox):
    """Those alone are made anew, and all share the places at the service."""
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


async def test_nothing_grows_with_the_number_of_requests(stills):
    """Flights and pacers are of what is under way alone."""
    await collect(stills, map(ask, range(30)))
    pipeline = stills._pipeline
    assert pipeline.under_way == 0
    assert len(pipeline._limiters) == 1
