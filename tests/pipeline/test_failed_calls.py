"""Calls that fail: which are retried, and what the error says about the bill."""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stills.app import Stills
from stills.catalog import SqliteCatalog
from stills.contract.errors import (
    AnswerTimeout,
    Billing,
    BudgetExceeded,
    CallInterrupted,
    CatalogError,
    ConnectionLost,
    ContentRefused,
    NoImage,
    RateLimited,
    ServiceUnavailable,
    StillsError,
    UnexpectedAnswer,
)
from stills.contract.generation import Claim
from stills.contract.money import JobBudget
from stills.contract.rate_limit import RateLimit
from stills.contract.request import ImageRequest
from stills.pipeline.policy import Policy
from stills.ratelimit.limiter import StartTooLate
from stills.sandbox import Fault, FaultKind, Sandbox

KITE = ImageRequest(prompt="a red kite over a harbour", size="1024*1024", seed=1234)


UNKNOWN = [
    (FaultKind.DROP_AFTER, ConnectionLost),
    (FaultKind.GATEWAY_HTML, ServiceUnavailable),
    (FaultKind.GATEWAY_TIMEOUT, ServiceUnavailable),
    (FaultKind.TRUNCATED_ANSWER, UnexpectedAnswer),
    (FaultKind.HTML_ANSWER, UnexpectedAnswer),
    (FaultKind.SLOW, AnswerTimeout),
]


@pytest.mark.parametrize(("kind", "expected"), UNKNOWN)
async def test_a_call_of_unknown_outcome_is_not_retried(
    make_stills: Callable[..., object],
    sandbox: Sandbox,
    fast: Policy,
    kind: FaultKind,
    expected: type,
):
    """It may be billed, so only the user decides; a retry is one more call."""
    seconds = 1.0 if kind is FaultKind.SLOW else 20.0
    stills = await make_stills(policy=replace(fast, answer_timeout_seconds=seconds))
    sandbox.set_faults(Fault(kind, times=None, delay_seconds=60.0))
    with pytest.raises(expected) as caught:
        await stills.generate(KITE)
    assert caught.value.billing is Billing.POSSIBLE
    assert "A retry sends another call, and both may be billed." in caught.value.action
    assert len(sandbox.ledger.generations) == 1

    sandbox.set_faults()
    await (await make_stills()).generate(KITE)
    assert len(sandbox.ledger.generations) == 2
    (line,) = await stills.spend()
    assert (line.billed, line.possible) == (1, 1)


@pytest.mark.parametrize("allowed", [1, 2])
async def test_calls_of_unknown_outcome_are_retried_as_often_as_allowed(
    make_stills: Callable[..., object], sandbox: Sandbox, fast: Policy, allowed: int
):
    """One more call for each, in any mixture of failures."""
    stills = await make_stills(policy=replace(fast, unknown_resends=allowed))
    sandbox.set_faults(Fault(FaultKind.GATEWAY_HTML), Fault(FaultKind.DROP_AFTER, times=None))
    with pytest.raises(ConnectionLost) as caught:
        await stills.generate(KITE)
    assert caught.value.billing is Billing.POSSIBLE
    assert "earlier" not in caught.value.message  # its own says that it may be billed
    assert len(sandbox.ledger.generations) == 1 + allowed


@pytest.mark.parametrize(
    "second",
    [FaultKind.CONTENT_REFUSED, FaultKind.QUOTA_EXHAUSTED, FaultKind.WORKSPACE_DENIED],
)
async def test_a_refusal_after_a_lost_call_says_that_the_first_may_be_billed(
    make_stills: Callable[..., object], sandbox: Sandbox, fast: Policy, second: FaultKind
):
    """The rejected call is free, but the request may not be; the ledger has both."""
    stills = await make_stills(policy=replace(fast, unknown_resends=1))
    sandbox.set_faults(Fault(FaultKind.DROP_AFTER), Fault(second))
    with pytest.raises(StillsError) as caught:
        await stills.generate(KITE)
    assert caught.value.billing is Billing.POSSIBLE
    assert "an earlier call was cut off and may be billed" in caught.value.message
    (line,) = await stills.spend()
    assert (line.billed, line.possible) == (0, 1)


REASONS = ["the catalog fails", "the rate limit leaves no time", "the cap leaves no money"]


@pytest.mark.parametrize("reason", REASONS)
async def test_a_second_call_that_can_not_be_sent_says_that_the_first_may_be_billed(
    make_stills: Callable[..., object], sandbox: Sandbox, fast: Policy, tmp_path: Path, reason: str
):
    """The caller must not take the request for one that was never sent."""

    class FailsTheSecondTime(SqliteCatalog):
        calls = 0

        async def record_sends(self, claims: Sequence[Claim], **more: Any) -> Sequence[int] | None:
            self.calls += 1
            if self.calls == 2:
                raise CatalogError("the disk is full")
            return await super().record_sends(claims, **more)

    parts: dict[str, object] = {
        "the catalog fails": {"catalog": FailsTheSecondTime(tmp_path / "stills.db")},
        "the rate limit leaves no time": {"rate_limit": RateLimit(per_second=0.001)},
        "the cap leaves no money": {"price_usd": 1.0},
    }[reason]
    stills = await make_stills(policy=replace(fast, unknown_resends=1), **parts)
    sandbox.set_faults(Fault(FaultKind.DROP_AFTER))
    with pytest.raises((CatalogError, StartTooLate, BudgetExceeded)) as caught:
        await stills.generate(KITE, max_cost_usd=1.5)
    assert caught.value.billing is Billing.POSSIBLE
    assert "an earlier call was cut off and may be billed" in caught.value.message
    assert len(sandbox.ledger.generations) == 1


async def test_a_first_call_that_can_not_be_sent_costs_nothing(
    make_stills: Callable[..., object], sandbox: Sandbox
):
    """Its error does not mention an earlier call, because there was none."""
    stills = await make_stills(rate_limit=RateLimit(per_second=0.001))
    await stills.generate(KITE)
    with pytest.raises(StartTooLate) as caught:
        await stills.generate(replace(KITE, seed=1235))
    assert caught.value.billing is Billing.NONE
    assert "earlier" not in caught.value.message
    assert len(sandbox.ledger.generations) == 1


async def test_a_claim_lost_after_a_call_that_may_be_billed_is_the_error_of_that_call(
    make_stills: Callable[..., object], sandbox: Sandbox, fast: Policy, tmp_path: Path
):
    """Claiming again would start over and forget that call."""
    stills = await make_stills(
        policy=replace(fast, unknown_resends=1), rate_limit=RateLimit(per_second=0.2)
    )
    sandbox.set_faults(Fault(FaultKind.DROP_AFTER, times=None))
    pending = asyncio.create_task(stills.generate(KITE))
    with closing(sqlite3.connect(tmp_path / "stills.db", isolation_level=None)) as catalog:
        while not sandbox.ledger.generations or not sandbox.ledger.generations[0].finished:
            await asyncio.sleep(0.01)
        settled = "SELECT 1 FROM sends WHERE settled_at IS NOT NULL"
        while catalog.execute(settled).fetchone() is None:
            await asyncio.sleep(0.01)
        catalog.execute("DELETE FROM claims")  # while the repeat waits for its start
    with pytest.raises(ConnectionLost) as caught:
        await pending
    assert caught.value.billing is Billing.POSSIBLE
    assert len(sandbox.ledger.generations) == 1


async def test_the_error_of_a_first_call_does_not_mention_earlier_ones(
    stills: Stills, sandbox: Sandbox
):
    """Nor does one after failures that certainly made no image."""
    sandbox.set_faults(Fault(FaultKind.UNAVAILABLE), Fault(FaultKind.CONTENT_REFUSED))
    with pytest.raises(StillsError) as caught:
        await stills.generate(KITE)
    assert caught.value.billing is Billing.NONE
    assert "earlier" not in caught.value.message


async def test_a_retry_after_a_429_sends_the_whole_prompt(stills: Stills, sandbox: Sandbox):
    """Only an answer without an image simplifies it, and a 429 does not undo that."""
    prompt = "a red kite. It flies over a harbour."
    request = replace(KITE, prompt=prompt, size="1328*1328")
    sandbox.set_faults(Fault(FaultKind.THROTTLED, times=2))
    result = await stills.generate(request)
    whole, simple = "a red kite. It flies over a harbour.", "a red kite"
    assert [send.prompt for send in sandbox.ledger.generations] == [whole] * 3
    assert not [note for note in result.notes if "simpler" in note]

    sandbox.set_faults(Fault(FaultKind.NO_IMAGE), Fault(FaultKind.THROTTLED))
    result = await stills.generate(replace(request, seed=2))
    assert [send.prompt for send in sandbox.ledger.generations[3:]] == [whole, simple, simple]
    assert len([note for note in result.notes if "simpler" in note]) == 1
    assert simple in result.notes[0]


async def test_a_call_that_may_be_billed_is_retried_only_if_allowed(
    make_stills: Callable[..., object], sandbox: Sandbox, fast: Policy
):
    """Both calls are on the ledger, and the result says that the first may be billed."""
    stills = await make_stills(policy=replace(fast, unknown_resends=1))
    sandbox.set_faults(Fault(FaultKind.DROP_AFTER))
    result = await stills.generate(KITE)
    assert "may be billed" in result.notes[0]
    sends = (await stills.images.show(result.id)).sends
    assert [(send.code, send.billing) for send in sends] == [
        ("connection_lost", Billing.POSSIBLE),
        ("answered", Billing.BILLED),
    ]
    assert len(sandbox.ledger.generations) == 2


async def test_throttling_is_waited_out(stills: Stills, sandbox: Sandbox):
    """The caller only notices the time."""
    sandbox.set_faults(Fault(FaultKind.THROTTLED, times=4))
    assert not (await stills.generate(KITE)).cached
    assert len(sandbox.ledger.generations) == 5
    assert sandbox.ledger.billed_images == 1


async def test_a_wait_beyond_the_deadline_is_rejected_at_once(stills: Stills, sandbox: Sandbox):
    """Better the error now than the same error at the deadline."""
    sandbox.set_faults(Fault(FaultKind.THROTTLED, times=None, retry_after_seconds=3000))
    with pytest.raises(RateLimited) as caught:
        await stills.generate(KITE)
    assert caught.value.billing is Billing.NONE
    assert len(sandbox.ledger.generations) == 1


async def test_a_failing_service_gets_three_calls_at_most(stills: Stills, sandbox: Sandbox):
    """A 5xx is retried twice."""
    sandbox.set_faults(Fault(FaultKind.UNAVAILABLE, times=None))
    with pytest.raises(ServiceUnavailable):
        await stills.generate(KITE)
    assert len(sandbox.ledger.generations) == 3


async def test_refused_content_is_sent_once(stills: Stills, sandbox: Sandbox):
    """The same prompt would be rejected again."""
    sandbox.set_faults(Fault(FaultKind.CONTENT_REFUSED, times=None))
    with pytest.raises(ContentRefused):
        await stills.generate(KITE)
    assert len(sandbox.ledger.generations) == 1


async def test_an_answer_without_an_image_is_retried_once_with_a_simpler_prompt(
    stills: Stills, sandbox: Sandbox
):
    """The result says so, also when it is requested again."""
    sandbox.set_faults(Fault(FaultKind.NO_IMAGE))
    prompt = "a red kite. It flies over a harbour."
    request = replace(KITE, prompt=prompt, size="1328*1328")
    result = await stills.generate(request)
    assert [send.prompt for send in sandbox.ledger.generations] == [request.prompt, "a red kite"]
    assert "simpler" in result.notes[0]
    assert (await stills.generate(request)).notes[0] == result.notes[0]


async def test_no_image_twice_is_an_error(stills: Stills, sandbox: Sandbox):
    """There is one retry only."""
    sandbox.set_faults(Fault(FaultKind.NO_IMAGE, times=None))
    with pytest.raises(NoImage):
        await stills.generate(KITE)
    assert len(sandbox.ledger.generations) == 2


@pytest.mark.parametrize(("allowed", "error"), [(0, CallInterrupted), (1, None)])
async def test_a_job_repeats_an_interrupted_call_if_such_calls_may_be_repeated(
    make_stills: Callable[..., object],
    sandbox: Sandbox,
    fast: Policy,
    allowed: int,
    error: type[StillsError] | None,
):
    """It may be billed twice, so a worker that is started again doesn't decide that by itself."""

    async def work(stills: Stills) -> list[object]:
        outcomes = stills.generate_many([KITE], job_of=lambda _: JobBudget("film"))
        return [each.error and type(each.error) async for each in outcomes]

    sandbox.set_faults(Fault(FaultKind.SLOW, delay_seconds=60.0))
    interrupted = await make_stills()
    working = asyncio.create_task(work(interrupted))
    while not sandbox.ledger.generations:
        await asyncio.sleep(0.01)
    working.cancel()
    await asyncio.wait({working})
    await interrupted.close()
    sandbox.set_faults()
    again = await make_stills(policy=replace(fast, unknown_resends=allowed))
    assert await work(again) == [error]
