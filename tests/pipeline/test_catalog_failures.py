"""A catalog that fails midway: the first error is raised, and a paid answer is not lost."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.recovery import refusing

from stills.app import Stills
from stills.catalog import SqliteCatalog
from stills.contract.errors import (
    Billing,
    CatalogDamaged,
    CatalogError,
    ContentRefused,
    DeadlineExceeded,
    LinkLost,
    StoreRefused,
)
from stills.contract.request import ImageRequest
from stills.pipeline.policy import Policy
from stills.ratelimit.limiter import RateLimiter
from stills.sandbox import Fault, FaultKind, Sandbox

KITE = ImageRequest(prompt="a red kite. It flies high over the harbour.", size="1328*1328", seed=7)

MakeFailing = Callable[..., Awaitable[Stills]]


@pytest.fixture
def make_failing(make_stills: Callable[..., object], tmp_path: Path, monkeypatch) -> MakeFailing:
    """Make a Stills whose catalog fails in some methods."""

    async def make(*methods: str, **parts: object) -> Stills:
        async def fail(*_: object, **__: object) -> None:
            raise CatalogError("the disk is full")

        catalog = SqliteCatalog(tmp_path / "stills.db")
        for method in methods:
            monkeypatch.setattr(catalog, method, fail)
        return await make_stills(catalog=catalog, **parts)

    return make


@pytest.mark.parametrize("method", ["release", "settle_send"])
async def test_the_service_s_error_is_not_hidden(
    make_failing: MakeFailing, sandbox: Sandbox, method: str
):
    """The service's error helps most; the catalog's will appear soon enough."""
    stills = await make_failing(method)
    sandbox.set_faults(Fault(FaultKind.CONTENT_REFUSED))
    with pytest.raises(ContentRefused) as caught:
        await stills.generate(KITE)
    assert caught.value.billing is Billing.NONE


async def test_a_cancelled_job_stays_cancelled(make_failing: MakeFailing, sandbox: Sandbox):
    """Releasing the claim fails, but that must not replace the cancellation."""
    stills = await make_failing("release")
    sandbox.set_faults(Fault(FaultKind.SLOW, delay_seconds=60.0))
    working = asyncio.create_task(stills.generate(KITE))
    while not sandbox.ledger.generations:
        await asyncio.sleep(0.01)
    await stills.close()
    with pytest.raises(asyncio.CancelledError):
        await working


async def test_a_note_that_can_not_be_journalled_loses_no_paid_image(
    make_failing: MakeFailing, make_stills: Callable[..., object], sandbox: Sandbox
):
    """The image is stored and returned with its note; a retry is free."""
    stills = await make_failing("record_note")
    sandbox.set_faults(Fault(FaultKind.NO_IMAGE))
    result = await stills.generate(KITE)
    assert any("simpler" in note for note in result.notes)
    assert sandbox.ledger.billed_images == 1
    again = await (await make_stills()).generate(KITE)
    assert (again.id, again.cached) == (result.id, True)
    assert sandbox.ledger.billed_images == 1


async def test_the_key_of_an_image_found_in_the_store_is_free_at_once(
    make_failing: MakeFailing, make_stills: Callable[..., object], sandbox: Sandbox, fast: Policy
):
    """The claim was for a new image, which is not needed; another process may want one."""
    with pytest.raises(CatalogError, match="safe at"):
        await (await make_failing("record_answer", "record_kept")).generate(KITE)
    one = await make_stills(policy=replace(fast, lease_seconds=300.0))
    await one.generate(KITE)
    assert sandbox.ledger.billed_images == 1  # found by its sidecar
    await (await make_stills()).generate(KITE, fresh=True)  # within its deadline


async def test_an_answer_that_can_not_be_counted_says_so_unless_the_catalog_is_damaged(
    stills: Stills, sandbox: Sandbox, monkeypatch
):
    """A full disk passes. Damage must be repaired, and would get worse unseen."""
    await stills.generate(KITE)
    errors: list[CatalogError] = [CatalogError("the disk is full"), CatalogDamaged("malformed")]

    async def fail(*_: object) -> None:
        raise errors.pop(0)

    monkeypatch.setattr(SqliteCatalog, "record_requests", fail)
    assert any("is not counted" in note for note in (await stills.generate(KITE)).notes)
    with pytest.raises(CatalogDamaged):
        await stills.generate(KITE)
    assert sandbox.ledger.billed_images == 1


async def test_a_deadline_promises_no_free_retry_if_the_link_could_not_be_journalled(
    make_failing: MakeFailing, sandbox: Sandbox, fast: Policy
):
    """The image is billed, but the next request knows nothing of its link."""
    hurried = replace(fast, deadline_seconds=2.0, download_timeout_seconds=600.0)
    stills = await make_failing("record_answer", policy=hurried)
    sandbox.set_faults(Fault(FaultKind.SLOW_DOWNLOAD, delay_seconds=600.0))
    with pytest.raises(DeadlineExceeded) as caught:
        await stills.generate(KITE)
    assert sandbox.ledger.billed_images == 1
    assert caught.value.billing is Billing.POSSIBLE
    assert "free" not in caught.value.action


async def test_no_download_is_promised_if_the_link_could_not_be_journalled(
    make_failing: MakeFailing, tmp_path: Path
):
    """Neither the store nor the spool takes the image, so it is lost; the error says so."""
    both = {name: refusing(tmp_path, name) for name in ("store", "spool")}
    stills = await make_failing("record_answer", **both)
    with pytest.raises(StoreRefused, match="the spool refused as well") as caught:
        await stills.generate(KITE)
    assert caught.value.billing is Billing.BILLED
    assert caught.value.action == LinkLost.default_action


async def test_a_refused_call_is_retried_although_the_catalog_can_not_slow_down_the_others(
    stills: Stills, sandbox: Sandbox, monkeypatch
):
    """Losing the limiter's state does not end a request."""

    async def fail(*_: object, **__: object) -> None:
        raise CatalogError("the disk is full")

    monkeypatch.setattr(RateLimiter, "slow_down", fail)
    sandbox.set_faults(Fault(FaultKind.THROTTLED))
    await stills.generate(KITE)
    assert sandbox.ledger.billed_images == 1


async def test_an_image_whose_call_the_catalog_has_lost_is_added_with_its_cost(
    stills: Stills, sandbox: Sandbox, tmp_path: Path
):
    """As after a failover, during the call, to a replica that had not received it."""
    sandbox.set_faults(Fault(FaultKind.SLOW, delay_seconds=1.0))
    working = asyncio.create_task(stills.generate(KITE))
    while not sandbox.ledger.generations:
        await asyncio.sleep(0.01)
    with closing(sqlite3.connect(tmp_path / "stills.db", isolation_level=None)) as catalog:
        for table in ("claims", "sends", "generations", "totals"):
            catalog.execute(f"DELETE FROM {table}")
    result = await working
    (line,) = await stills.spend()
    assert (line.billed, line.possible) == (1, 0)
    assert (await stills.generate(KITE)).cached
    assert [image.rendition.id for image in await stills.images.list()] == [result.id]
    assert sandbox.ledger.billed_images == 1
