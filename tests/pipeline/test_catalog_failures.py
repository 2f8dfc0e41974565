"""A catalog that fails midway: the first error is raised, and a paid answer is not lost."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from stills.app import Stills
from stills.catalog import SqliteCatalog
from stills.contract.errors import Billing, CatalogError, ContentRefused
from stills.contract.request import ImageRequest
from stills.sandbox import Fault, FaultKind, Sandbox

KITE = ImageRequest(prompt="a red kite. It flies high over the harbour.", size="1328*1328", seed=7)

MakeFailing = Callable[[str], Awaitable[Stills]]


@pytest.fixture
def make_failing(make_stills: Callable[..., object], tmp_path: Path, monkeypatch) -> MakeFailing:
    """Make a Stills whose catalog fails in one method."""

    async def make(method: str) -> Stills:
        async def fail(*_: object, **__: object) -> None:
            raise CatalogError("the disk is full")

        catalog = SqliteCatalog(tmp_path / "stills.db")
        monkeypatch.setattr(catalog, method, fail)
        return await make_stills(catalog=catalog)

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
