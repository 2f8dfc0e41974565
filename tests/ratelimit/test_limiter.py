"""The limiter: starts that processes share and wait for."""

import asyncio
import itertools
import socket
from dataclasses import replace

import pytest

from stills.app import Stills
from stills.catalog import SqliteCatalog
from stills.contract.errors import Billing, ConnectionLost, RateLimited, ServiceUnreachable
from stills.contract.rate_limit import NO_LIMIT, LimitScope, RateLimit
from stills.contract.request import ImageRequest
from stills.pipeline.policy import Policy
from stills.pipeline.retry import Retries
from stills.provider.credentials import Credentials, ProviderKey
from stills.ratelimit.limiter import RateLimiter, StartTooLate
from stills.sandbox import Fault, FaultKind

SCOPE = LimitScope("dashscope", "qwen-image-max")
KITE = ImageRequest(prompt="a red kite", size="1328*1328", seed=1)


def rate(times: list[float], begin: float, end: float) -> float:
    return sum(begin <= one < end for one in times) / (end - begin)


def test_a_rate_limited_429_waits_only_for_the_limiter():
    """Its own backoff would be added to the limiter's delay."""
    retries = Retries(Policy(), is_rate_limited=True)
    for _ in range(20):
        assert retries.next(RateLimited(retry_after_seconds=30.0)).wait_seconds == 0.0


@pytest.fixture
async def make_limiter(tmp_path):
    """Make limiters of one model, each with its own catalog connection, like processes."""
    catalogs = []

    def make(limit: RateLimit) -> RateLimiter:
        catalogs.append(SqliteCatalog(tmp_path / "stills.db"))
        return RateLimiter(catalogs[-1], SCOPE, limit)

    yield make
    for catalog in catalogs:
        await catalog.close()


async def test_two_processes_share_one_limit(make_limiter):
    """No two of their starts are closer than the limit allows."""
    limiters = [make_limiter(RateLimit(40.0)) for _ in range(2)]
    starts = sorted(
        await asyncio.gather(*(each.start(patience_seconds=60) for each in limiters * 10))
    )
    gaps = [later - earlier for earlier, later in itertools.pairwise(starts)]
    assert len(starts) == 20
    assert min(gaps) >= 0.99 / 40.0


async def test_without_a_limit_the_catalog_is_not_used():
    """It works without a catalog."""
    limiter = RateLimiter(None, SCOPE, NO_LIMIT)
    assert await limiter.start(patience_seconds=0.0) == 0.0
    await limiter.slow_down(started_at=0.0, retry_after_seconds=9.0)


async def test_a_start_beyond_the_patience_is_rejected_at_once(make_limiter):
    """Also for calls behind others in the queue; the error says when to retry."""
    limiter = make_limiter(RateLimit(1 / 3600))
    await limiter.start(patience_seconds=1.0)
    with pytest.raises(StartTooLate, match="rate limit") as caught:
        await limiter.start(patience_seconds=60.0)
    assert 3000 < caught.value.retry_after_seconds < 2 * 3700
    assert (caught.value.code, caught.value.billing) == ("rate_limited", Billing.NONE)


async def test_a_refusal_in_one_process_delays_the_others(make_limiter):
    """Retry-After applies to all."""
    one, other = make_limiter(RateLimit(100.0)), make_limiter(RateLimit(100.0))
    started_at = await one.start(patience_seconds=1.0)
    await one.slow_down(started_at=started_at, retry_after_seconds=3000.0)
    with pytest.raises(StartTooLate):
        await other.start(patience_seconds=60.0)


async def test_a_cancelled_wait_does_not_block_the_next(make_limiter):
    """It leaves the queue."""
    limiter = make_limiter(RateLimit(20.0))
    await limiter.start(patience_seconds=1.0)
    waiting = [asyncio.create_task(limiter.start(patience_seconds=60.0)) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    starts = await asyncio.gather(*waiting[1:])
    assert starts[1] - starts[0] >= 0.99 / 20.0


async def test_a_service_that_is_not_reached_uses_no_start(make_stills):
    """At one call per hour, retries would come hours later although nothing was used."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    nowhere = Credentials(ProviderKey("sk-sandbox"), f"http://127.0.0.1:{port}/api/v1")
    stills = await make_stills(credentials=nowhere, rate_limit=RateLimit(1 / 3600))
    with pytest.raises(ServiceUnreachable):
        await stills.generate(KITE)
    assert (await stills.quota()).sends_last_minute == 3


async def test_two_keys_have_a_limit_each(make_stills, sandbox):
    """They may be of two accounts, so neither slows the other down."""
    for key in ("sk-sandbox-1", "sk-sandbox-2"):
        stills = await make_stills(
            credentials=Credentials(ProviderKey(key), sandbox.base_url),
            rate_limit=RateLimit(1 / 3600),
        )
        await stills.generate(replace(KITE, prompt=key))
        assert (await stills.quota()).sends_last_minute == 1


async def test_two_keys_of_one_account_share_a_limit(tmp_path, sandbox):
    """If the user says that they are of one account."""
    environment = {
        "HOME": str(tmp_path),
        "OUTPUT_DIR": str(tmp_path),
        "DASHSCOPE_HTTP_BASE_URL": sandbox.base_url,
        "STILLS_RATE_LIMIT": "1/h",
        "STILLS_ACCOUNT": "our studio",
    }

    def open_stills(key: str) -> Stills:
        return Stills.from_env(environment={**environment, "DASHSCOPE_API_KEY": key})

    async with open_stills("sk-sandbox-1") as one, open_stills("sk-sandbox-2") as other:
        await one.generate(KITE)
        with pytest.raises(StartTooLate):
            await other.generate(replace(KITE, prompt="another kite"))
        assert (await other.quota()).sends_last_minute == 1


async def test_every_call_uses_a_start_including_retries(make_stills, sandbox):
    """The catalog counts them all."""
    stills = await make_stills(rate_limit=RateLimit(50.0))
    sandbox.set_faults(Fault(FaultKind.THROTTLED, times=2), Fault(FaultKind.UNAVAILABLE))
    await stills.generate(KITE)
    times = [send.time for send in sandbox.ledger.generations]
    assert len(times) == 4
    quota = await stills.quota()
    assert (quota.limit_per_second, quota.sends_last_minute) == (50.0, 4)
    assert quota.per_second <= 50.0


async def test_a_start_too_late_after_a_lost_call_says_that_it_may_be_billed(make_stills, sandbox):
    """The cost of the earlier call is not forgotten."""
    sandbox.set_faults(Fault(FaultKind.DROP_AFTER))
    stills = await make_stills(rate_limit=RateLimit(1 / 3600))
    with pytest.raises((RateLimited, ConnectionLost)) as caught:
        await stills.generate(KITE)
    assert caught.value.billing is Billing.POSSIBLE
    assert len(sandbox.ledger.generations) == 1
