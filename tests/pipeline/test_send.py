"""Send: when a call starts, and what its caller learns about it."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stills.app import Stills
from stills.catalog import SqliteCatalog
from stills.contract.errors import Billing, DeadlineExceeded, ServiceUnreachable
from stills.contract.generation import Claim
from stills.contract.money import Caps
from stills.contract.rate_limit import RateLimit
from stills.contract.request import ImageRequest
from stills.pipeline.policy import Policy
from stills.provider.dashscope import DashScope
from stills.ratelimit.limiter import RateLimiter
from stills.sandbox import Fault, FaultKind, Sandbox

KITE = ImageRequest(prompt="a red kite", size="512*512", seed=1)


@pytest.fixture
def patiences(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long each request would wait to start, in seconds."""
    seen: list[float] = []
    start = RateLimiter.start

    async def watch(limiter: RateLimiter, *, patience_seconds: float) -> float:
        seen.append(patience_seconds)
        return await start(limiter, patience_seconds=patience_seconds)

    monkeypatch.setattr(RateLimiter, "start", watch)
    return seen


@pytest.mark.parametrize(
    ("deadline_seconds", "answer_timeout_seconds", "least", "most"),
    [(1000.0, 100.0, 500.0, 900.0), (1000.0, 5000.0, 0.0, 500.0)],
)
async def test_waiting_to_start_leaves_time_for_the_answer(
    make_stills: Callable[..., object],
    fast: Policy,
    patiences: list[float],
    deadline_seconds: float,
    answer_timeout_seconds: float,
    least: float,
    most: float,
):
    """The whole timeout of an answer, but at most half of the time left."""
    policy = replace(
        fast, deadline_seconds=deadline_seconds, answer_timeout_seconds=answer_timeout_seconds
    )
    await (await make_stills(policy=policy)).generate(KITE)
    assert least < patiences[0] <= most


async def test_a_call_that_never_reached_the_service_uses_no_start(
    make_stills: Callable[..., object],
    sandbox: Sandbox,
    patiences: list[float],
    monkeypatch: pytest.MonkeyPatch,
):
    """Its retry takes the same start, instead of a second one of the rate limit."""
    stills = await make_stills(rate_limit=RateLimit(1.0))
    send, failures = DashScope.send, [ServiceUnreachable("connection refused")]

    async def fail_once(*arguments: Any, **options: Any) -> object:
        if failures:
            raise failures.pop()
        return await send(*arguments, **options)

    monkeypatch.setattr(DashScope, "send", fail_once)
    await stills.generate(KITE)
    assert (len(patiences), failures, sandbox.ledger.billed_images) == (1, [], 1)


async def test_a_call_that_the_service_refused_uses_its_start(
    make_stills: Callable[..., object], sandbox: Sandbox, patiences: list[float]
):
    """It counts towards the service's limit, so its retry needs another."""
    stills = await make_stills(rate_limit=RateLimit(1000.0))
    sandbox.set_faults(Fault(FaultKind.UNAVAILABLE))
    await stills.generate(KITE)
    assert len(patiences) == 2


async def test_only_a_429_slows_other_calls_down_and_once_for_all_takes_of_a_call(
    stills: Stills, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
):
    """By the service's Retry-After; another failure says nothing about the rate."""
    slowed: list[float | None] = []

    async def watch(*_: object, retry_after_seconds: float | None, **__: object) -> None:
        slowed.append(retry_after_seconds)

    monkeypatch.setattr(RateLimiter, "slow_down", watch)
    sandbox.set_faults(
        Fault(FaultKind.UNAVAILABLE), Fault(FaultKind.THROTTLED, retry_after_seconds=0)
    )
    await stills.generate_takes(KITE, takes=3, model="qwen-image-2.0")
    assert slowed == [0.0]


async def test_a_cancelled_call_is_counted_as_possibly_billed(stills: Stills, sandbox: Sandbox):
    """As on the ledger: a stopped batch reports it, and its cap counts it."""
    counted: list[Billing] = []
    sandbox.set_faults(Fault(FaultKind.SLOW, delay_seconds=3600))
    pending = asyncio.create_task(
        stills.generate(KITE, on_send_settled=lambda _, billing: counted.append(billing))
    )
    while not sandbox.ledger.generations:
        await asyncio.sleep(0.01)
    await stills.close()
    await asyncio.wait({pending})
    assert counted == [Billing.POSSIBLE]


async def test_the_end_of_each_call_is_reported_for_what_it_costs(stills: Stills, sandbox: Sandbox):
    """A batch counts by this: a refused call costs nothing, an answered one is billed."""
    counted: list[Billing] = []
    sandbox.set_faults(Fault(FaultKind.UNAVAILABLE))
    await stills.generate(KITE, on_send_settled=lambda _, billing: counted.append(billing))
    assert counted == [Billing.NONE, Billing.BILLED]


async def test_a_claim_that_is_lost_before_the_call_is_taken_again(
    make_stills: Callable[..., object], sandbox: Sandbox, tmp_path: Path
):
    """Another worker may have stored it meanwhile, so the catalog is queried again."""

    class Losing(SqliteCatalog):
        lost = False

        async def record_sends(self, claims: Sequence[Claim], **more: Any) -> Sequence[int] | None:
            if not self.lost:
                self.lost = True
                await self.release(claims[0])
            return await super().record_sends(claims, **more)

    catalog = Losing(tmp_path / "stills.db")
    result = await (await make_stills(catalog=catalog)).generate(KITE)
    assert catalog.lost
    assert not result.cached
    assert sandbox.ledger.billed_images == 1


async def test_a_claim_that_is_lost_before_the_call_leaves_nothing_billed(
    make_stills: Callable[..., object], fast: Policy, sandbox: Sandbox, tmp_path
):
    """Nothing was sent, so the error after a wait for the new holder must not say otherwise."""
    other = SqliteCatalog(tmp_path / "stills.db")

    class Losing(SqliteCatalog):
        async def record_sends(self, claims: Sequence[Claim], **options: Any) -> None:
            (claim,) = claims
            await self.release(claim)
            spec, size = claim.generation.spec, claim.generation.spec.native_size
            await other.claim(spec, size, lease_seconds=60.0, fresh=False, caps=Caps())
            return await super().record_sends(claims, **options)

    stills = await make_stills(
        catalog=Losing(tmp_path / "stills.db"), policy=replace(fast, deadline_seconds=2.0)
    )
    with pytest.raises(DeadlineExceeded, match="another process is still working on it") as caught:
        await stills.generate(KITE)
    await other.close()
    assert caught.value.billing is Billing.NONE
    assert not sandbox.ledger.generations
