"""Takes from a model that makes several images per call."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from stills.app import Stills
from stills.catalog import SqliteCatalog
from stills.contract.errors import (
    AnswerTimeout,
    Billing,
    BudgetExceeded,
    CatalogError,
    ConnectionLost,
    ContentRefused,
    LinkDead,
    TaskLost,
    UnexpectedAnswer,
)
from stills.contract.generation import AnsweredSend
from stills.contract.rate_limit import RateLimit
from stills.contract.request import ImageRequest
from stills.pipeline.policy import Policy
from stills.sandbox import Fault, FaultKind, Sandbox

KITE = ImageRequest(prompt="a red kite", size="512*512", seed=7)
MODEL = "qwen-image-2.0"


def ordered(sandbox: Sandbox) -> list[int]:
    """Return how many images each call ordered."""
    return [send.parameters["n"] for send in sandbox.ledger.generations]


async def test_takes_share_a_call_and_are_images_of_their_own(stills: Stills, sandbox: Sandbox):
    """Each has its id, its seed and its line in the ledger; the note says how it was made."""
    results = await stills.generate_takes(KITE, takes=4, model=MODEL)
    assert ordered(sandbox) == [4]
    assert sandbox.ledger.generations[0].seed == 7
    assert [result.seed for result in results] == [7, 8, 9, 10]
    assert [result.cost_usd for result in results] == [0.035] * 4
    assert results[0].notes == ()
    assert results[3].notes == ("Made as image 4 of 4 in one call with seed 7.",)
    for result in results:
        (send,) = (await stills.images.show(result.id)).sends
        assert (send.billing, send.request_id) == (
            Billing.BILLED,
            sandbox.ledger.generations[0].request_id,
        )
    (line,) = await stills.spend()
    assert (line.billed, line.billed_usd) == (4, 0.14)
    assert (await stills.quota(model=MODEL)).sends_last_minute == 1


async def test_a_take_is_found_by_its_seed(stills: Stills, sandbox: Sandbox):
    """As one that was made alone."""
    results = await stills.generate_takes(KITE, takes=3, model=MODEL)
    for result in results:
        request = replace(KITE, seed=result.seed)
        assert (await stills.generate(request, model=MODEL)).id == result.id
    assert ordered(sandbox) == [3]


async def test_more_takes_order_only_the_new_ones(stills: Stills, sandbox: Sandbox):
    """Those in the catalog don't delay the others."""
    await stills.generate(replace(KITE, seed=8), model=MODEL)
    await stills.generate_takes(KITE, takes=3, model=MODEL)
    await stills.generate_takes(KITE, takes=12, model=MODEL)
    assert ordered(sandbox) == [1, 2, 6, 3]
    assert sandbox.ledger.billed_images == 12


async def test_two_who_ask_for_the_same_takes_share_them(
    make_stills: Callable[..., object], sandbox: Sandbox
):
    """In one process and in several, nothing is billed twice and nobody waits for ever."""
    one, other = await make_stills(), await make_stills()
    asked = [
        (one, KITE, 4),
        (one, replace(KITE, seed=9), 4),
        (other, replace(KITE, seed=8), 4),
        (other, replace(KITE, seed=6), 3),
    ]
    answers = await asyncio.gather(
        *(who.generate_takes(request, takes=takes, model=MODEL) for who, request, takes in asked)
    )
    ids = {result.seed: result.id for results in answers for result in results}
    assert len(ids) == len(set(ids.values())) == 7
    assert sandbox.ledger.billed_images == 7


async def test_a_call_that_made_fewer_says_so_and_what_was_billed(stills: Stills, sandbox: Sandbox):
    """Asking again orders only what is missing."""
    sandbox.set_faults(Fault(FaultKind.FEWER_IMAGES))
    with pytest.raises(UnexpectedAnswer) as caught:
        await stills.generate_takes(KITE, takes=4, model=MODEL)
    assert caught.value.message == (
        "3 of 4 images are stored (seeds 7, 8, 9), 0.105 USD (simulated) billed for them; the "
        "service made 3 of the 4 images that one call ordered, and bills only those"
    )
    assert caught.value.billing is Billing.NONE
    (line,) = await stills.spend()
    assert (line.billed, line.possible) == (3, 0)
    results = await stills.generate_takes(KITE, takes=4, model=MODEL)
    assert [result.cached for result in results] == [True, True, True, False]
    assert ordered(sandbox) == [4, 1]


async def test_a_retry_shares_a_call_again(stills: Stills, sandbox: Sandbox):
    """Refusals of the rate limit don't turn one call into many."""
    sandbox.set_faults(Fault(FaultKind.THROTTLED, times=2))
    assert len(await stills.generate_takes(KITE, takes=4, model=MODEL)) == 4
    assert ordered(sandbox) == [4, 4, 4]
    assert sandbox.ledger.billed_images == 4


async def test_a_refusal_is_every_take_s_error(stills: Stills, sandbox: Sandbox):
    """Nothing is billed."""
    sandbox.set_faults(Fault(FaultKind.CONTENT_REFUSED))
    with pytest.raises(ContentRefused) as caught:
        await stills.generate_takes(KITE, takes=4, model=MODEL)
    assert caught.value.billing is Billing.NONE
    assert ordered(sandbox) == [4]
    assert await stills.spend() == []


@pytest.mark.parametrize(
    ("fault", "kind", "seconds"),
    [
        (Fault(FaultKind.DROP_AFTER), ConnectionLost, 20.0),
        (Fault(FaultKind.SLOW, delay_seconds=15.0), AnswerTimeout, 1.0),
    ],
    ids=["dropped", "too slow"],
)
async def test_a_call_without_an_outcome_counts_as_possibly_billed_for_every_image(
    make_stills: Callable[..., object],
    fast: Policy,
    sandbox: Sandbox,
    fault: Fault,
    kind: type,
    seconds: float,
):
    """It is not repeated by itself."""
    stills = await make_stills(policy=replace(fast, answer_timeout_seconds=seconds))
    sandbox.set_faults(fault)
    with pytest.raises(kind) as caught:
        await stills.generate_takes(KITE, takes=3, model=MODEL)
    assert caught.value.billing is Billing.POSSIBLE
    assert ordered(sandbox) == [3]
    (line,) = await stills.spend()
    assert (line.billed, line.possible, line.possible_usd) == (0, 3, 0.105)


async def test_a_download_that_fails_does_not_lose_the_others(stills: Stills, sandbox: Sandbox):
    """The links are in the journal, so asking again downloads only what is missing."""
    sandbox.set_faults(Fault(FaultKind.DEAD_URL, times=None))
    with pytest.raises(LinkDead) as caught:
        await stills.generate_takes(KITE, takes=3, model=MODEL)
    assert caught.value.billing is Billing.BILLED
    sandbox.set_faults()
    results = await stills.generate_takes(KITE, takes=3, model=MODEL)
    assert [result.seed for result in results] == [7, 8, 9]
    assert sandbox.ledger.billed_images == 3


async def test_a_call_that_is_cut_off_while_it_is_journalled_is_reported_for_every_take(
    make_stills: Callable[..., object], fast: Policy, tmp_path
):
    """Otherwise the cap of a run would make room for further images."""

    class Hanging(SqliteCatalog):
        async def record_answers(self, answered: list[AnsweredSend]) -> None:
            await asyncio.sleep(3600 + len(answered))

    stills = await make_stills(
        catalog=Hanging(tmp_path / "stills.db"), policy=replace(fast, deadline_seconds=1.0)
    )
    settled: list[Billing] = []
    takes = await stills.plan_takes(KITE, takes=2, model=MODEL)
    errors = await asyncio.gather(
        *(
            stills.generate(
                take.request,
                model=MODEL,
                take=take,
                on_send_settled=lambda _, billing: settled.append(billing),
            )
            for take in takes
        ),
        return_exceptions=True,
    )
    await stills.drain()
    assert [error.billing for error in errors] == [Billing.POSSIBLE] * 2
    assert settled == [Billing.POSSIBLE] * 2


async def test_an_answer_that_is_journalled_for_all_takes_is_not_journalled_again(
    stills: Stills, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
):
    """Also not after a download that failed."""

    async def fail(*_: object, **__: object) -> None:
        raise AssertionError("written again")

    monkeypatch.setattr(SqliteCatalog, "record_answer", fail)
    sandbox.set_faults(Fault(FaultKind.DEAD_URL, times=None))
    with pytest.raises(LinkDead):
        await stills.generate_takes(KITE, takes=2, model=MODEL)


async def test_if_the_answer_can_t_be_journalled_every_image_is_stored_all_the_same(
    make_stills: Callable[..., object], sandbox: Sandbox, tmp_path
):
    """It was paid for; then the next request adopts it."""

    class Failing(SqliteCatalog):
        async def record_answers(self, answered: list[AnsweredSend]) -> None:
            raise CatalogError(f"no room for {len(answered)} answers")

        async def record_kept(self, *_: object, **__: object) -> None:
            raise CatalogError("no room")

    broken = await make_stills(catalog=Failing(tmp_path / "stills.db"))
    with pytest.raises(CatalogError):
        await broken.generate_takes(KITE, takes=3, model=MODEL)
    await broken.close()
    working = await make_stills()
    results = await working.generate_takes(KITE, takes=3, model=MODEL)
    assert [result.seed for result in results] == [7, 8, 9]
    assert ordered(sandbox) == [3]
    (line,) = await working.spend()
    assert (line.billed, line.possible) == (3, 0)


async def test_if_the_answer_can_t_be_journalled_at_once_each_take_journals_its_own_image(
    make_stills: Callable[..., object], tmp_path
):
    """The catalog may have been busy; a process that ends during the downloads loses no link."""
    written: list[int] = []

    class Busy(SqliteCatalog):
        is_busy = True

        async def record_answers(self, answered: list[AnsweredSend]) -> None:
            if self.is_busy and len(answered) > 1:
                raise CatalogError("the database is locked")
            written.append(len(answered))
            await super().record_answers(answered)

    catalog = Busy(tmp_path / "stills.db")
    stills = await make_stills(catalog=catalog)
    await stills.generate_takes(KITE, takes=3, model=MODEL)
    assert written == [1, 1, 1]
    catalog.is_busy = False
    await stills.generate_takes(replace(KITE, seed=70), takes=3, model=MODEL)
    assert written == [1, 1, 1, 3]
    (line,) = await stills.spend()
    assert (line.billed, line.possible) == (6, 0)


async def test_a_take_that_another_request_waits_for_is_made_without_the_others(
    make_stills: Callable[..., object], sandbox: Sandbox
):
    """The takes are given up before the call; the other request pays for one image."""
    stills = await make_stills(rate_limit=RateLimit(0.5))
    await stills.generate(replace(KITE, seed=1), model=MODEL)
    claimed = asyncio.Event()
    takes = asyncio.create_task(
        stills.generate_takes(KITE, takes=3, model=MODEL, on_stage=lambda *_: claimed.set())
    )
    await claimed.wait()
    other = asyncio.create_task(stills.generate(replace(KITE, seed=8), model=MODEL))
    while not stills.under_way >= 7:
        await asyncio.sleep(0.001)
    takes.cancel()
    assert (await other).seed == 8
    await asyncio.gather(takes, return_exceptions=True)
    assert ordered(sandbox) == [1, 1]


async def test_takes_over_the_budget_send_nothing(stills: Stills, sandbox: Sandbox):
    """The cap covers all images of the call."""
    with pytest.raises(BudgetExceeded):
        await stills.generate_takes(KITE, takes=4, model=MODEL, max_cost_usd=0.13)
    assert ordered(sandbox) == []
    assert len(await stills.generate_takes(KITE, takes=4, model=MODEL, max_cost_usd=0.14)) == 4


THIRD = "qwen-image-3.0"


async def test_takes_share_a_task(stills: Stills, sandbox: Sandbox):
    """Each take gets an image of its own from the asynchronous call."""
    results = await stills.generate_takes(KITE, takes=4, model=THIRD)
    assert ordered(sandbox) == [4]
    assert [result.seed for result in results] == [7, 8, 9, 10]
    assert len({result.id for result in results}) == 4
    assert results[1].notes == ("Made as image 2 of 4 in one call with seed 7.",)
    (line,) = await stills.spend()
    assert (line.billed, line.possible) == (4, 0)
    digests = {(await stills.images.show(result.id)).image.rendition.sha256 for result in results}
    assert len(digests) == 4


async def test_a_task_that_made_fewer_images_bills_only_those(stills: Stills, sandbox: Sandbox):
    """Asking again orders only what is missing."""
    sandbox.set_faults(Fault(FaultKind.FEWER_IMAGES))
    with pytest.raises(UnexpectedAnswer, match="3 of 4 images are stored"):
        await stills.generate_takes(KITE, takes=4, model=THIRD)
    results = await stills.generate_takes(KITE, takes=4, model=THIRD)
    assert [result.cached for result in results] == [True, True, True, False]
    assert ordered(sandbox) == [4, 1]
    assert sandbox.ledger.billed_images == 4


async def test_a_task_that_is_lost_is_not_sent_again_by_itself(stills: Stills, sandbox: Sandbox):
    """For none of its takes: every image may be billed."""
    sandbox.set_faults(Fault(FaultKind.TASK_LOST))
    with pytest.raises(TaskLost) as caught:
        await stills.generate_takes(KITE, takes=3, model=THIRD)
    assert caught.value.billing is Billing.POSSIBLE
    assert ordered(sandbox) == [3]
    (line,) = await stills.spend()
    assert (line.billed, line.possible) == (0, 3)


async def test_takes_of_an_interrupted_task_are_asked_for_one_by_one(
    make_stills: Callable[..., object], sandbox: Sandbox
):
    """Closed while the task runs; the next process sends only the new take."""
    sandbox.set_faults(Fault(FaultKind.TASK_SLOW, delay_seconds=1.0))
    first = await make_stills()
    asked = asyncio.create_task(first.generate_takes(KITE, takes=3, model=THIRD))
    while not any(send.kind == "task_query" for send in sandbox.ledger.sends):
        await asyncio.sleep(0.01)
    await first.close()
    await asyncio.gather(asked, return_exceptions=True)
    second = await make_stills()
    results = await second.generate_takes(KITE, takes=4, model=THIRD)
    assert [result.seed for result in results] == [7, 8, 9, 10]
    digests = {(await second.images.show(result.id)).image.rendition.sha256 for result in results}
    assert len(digests) == 4
    assert ordered(sandbox) == [3, 1]
    assert sandbox.ledger.billed_images == 4
    (line,) = await second.spend()
    assert (line.billed, line.possible) == (4, 0)
