"""A catalog that fails while an image is made: the image and its bill are found again."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.support.recovery import KITE, Make, ends, execute, files, kept_free, refusing

from stills.app import Stills
from stills.catalog import SqliteCatalog, schema
from stills.contract.errors import (
    Billing,
    CatalogError,
    ContentRefused,
)
from stills.contract.result import ImageResult
from stills.sandbox import Fault, FaultKind, Sandbox


@pytest.fixture
def short_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up on a locked catalog quickly."""
    monkeypatch.setattr(schema, "LOCK_WAIT_SECONDS", 0.2)


async def lock_while(
    sandbox: Sandbox, path: Path, pending: asyncio.Task[ImageResult]
) -> CatalogError:
    """Lock the catalog from the moment the image is being made until the end."""
    while not sandbox.ledger.generations:
        await asyncio.sleep(0.01)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(CatalogError) as caught:
            await pending
        other.execute("ROLLBACK")
    return caught.value


@pytest.mark.usefixtures("short_wait")
@pytest.mark.parametrize("way", ["recover", "rebuild", "retry"])
async def test_a_catalog_that_fails_after_the_answer_loses_nothing(
    make_stills: Make, sandbox: Sandbox, tmp_path: Path, way: str
):
    """The store has the image, the error says where and what to run, and a retry is free."""
    stills = await make_stills()
    sandbox.set_faults(Fault(FaultKind.SLOW, delay_seconds=0.5))
    pending = asyncio.create_task(stills.generate(KITE))
    error = await lock_while(sandbox, tmp_path / "stills.db", pending)
    assert error.billing is Billing.BILLED
    assert "is locked by another process" in error.message
    assert "safe at file://" in error.message
    assert "stills recover" in error.action
    assert [name for name in files(tmp_path / "images") if "/" not in name] != []

    catalog = SqliteCatalog(tmp_path / "stills.db")
    while not await catalog.list_unfinished():  # the claim is released a little later
        await asyncio.sleep(0.02)
    await catalog.close()
    later = await make_stills()
    if way == "recover":
        assert ends(await later.maintenance.recover()) == [(True, "")]
    if way == "rebuild":
        aside, outcomes = await later.maintenance.rebuild()
        assert (aside, ends(outcomes)) == (None, [(True, "")])
    listed = await later.images.list()
    assert [str(image.rendition.size) for image in listed] == ["1328*1328"] * (way != "retry")
    await kept_free(later, sandbox)
    assert await later.maintenance.recover() == []
    line = (await later.spend())[0]
    assert (line.billed, line.possible) == (1, 0)


@pytest.mark.usefixtures("short_wait")
async def test_a_catalog_and_a_store_that_both_fail_leave_the_image_in_the_spool(
    make_stills: Make, sandbox: Sandbox, tmp_path: Path
):
    """`stills recover` finds it there by its sidecar."""
    stills = await make_stills(store=refusing(tmp_path, "images"))
    sandbox.set_faults(Fault(FaultKind.SLOW, delay_seconds=0.5))
    pending = asyncio.create_task(stills.generate(KITE))
    error = await lock_while(sandbox, tmp_path / "stills.db", pending)
    assert "spool" in error.message
    assert "`stills recover`" in error.action
    await stills.close()
    execute(tmp_path / "stills.db", "UPDATE claims SET lease_until = 0")

    repaired = await make_stills()
    assert ends(await repaired.maintenance.recover()) == [(True, "")]
    assert files(tmp_path / "spool") == []
    assert len(await repaired.images.list()) == 1
    await kept_free(repaired, sandbox)


async def test_a_catalog_that_fails_once_the_image_is_kept_says_that_it_was_billed(
    stills: Stills, sandbox: Sandbox, tmp_path: Path
):
    """Only the answer could not be counted: the image is stored, and free."""
    await stills.images.list()
    refuse = "CREATE TRIGGER t BEFORE INSERT ON requests BEGIN SELECT raise(ABORT, 'no'); END"
    execute(tmp_path / "stills.db", refuse)
    with pytest.raises(CatalogError) as caught:
        await stills.generate(KITE)
    assert caught.value.billing is Billing.BILLED
    execute(tmp_path / "stills.db", "DROP TRIGGER t")
    await kept_free(stills, sandbox)


@pytest.mark.usefixtures("short_wait")
async def test_a_failing_service_is_not_hidden_by_a_failing_catalog(
    stills: Stills, sandbox: Sandbox, tmp_path: Path
):
    """The error is the service's; the unsettled call counts as possibly billed."""
    await stills.images.list()
    execute(
        tmp_path / "stills.db",
        "CREATE TRIGGER t BEFORE UPDATE ON sends BEGIN SELECT raise(ABORT, 'no'); END",
    )
    sandbox.set_faults(Fault(FaultKind.CONTENT_REFUSED, times=None))
    with pytest.raises(ContentRefused):
        await stills.generate(KITE)
    assert [line.possible for line in await stills.spend()] == [1]


REFUSE_ANSWERS = (
    "CREATE TRIGGER t BEFORE UPDATE ON generations WHEN NEW.stage = 'answered' "
    "BEGIN SELECT raise(ABORT, 'no'); END"
)


async def bills(stills: Stills) -> tuple[int, int]:
    """The number of calls that were billed, and of those that may be."""
    (line,) = await stills.spend()
    return line.billed, line.possible


async def test_an_image_that_is_kept_though_its_answer_was_not_recorded_is_billed_once(
    stills: Stills, tmp_path: Path
):
    """Its call does not stay `possibly billed`, because the image is stored."""
    await stills.images.list()
    execute(tmp_path / "stills.db", REFUSE_ANSWERS)
    await stills.generate(KITE)
    assert await bills(stills) == (1, 0)


async def test_recover_settles_the_call_of_a_kept_image(stills: Stills, tmp_path: Path):
    """Earlier versions left it open."""
    result = await stills.generate(KITE)
    open_again = "UPDATE sends SET settled_at = NULL, billing = 'possible', code = 'unsettled'"
    execute(tmp_path / "stills.db", open_again)
    assert await bills(stills) == (0, 1)
    (outcome,) = await stills.maintenance.recover()
    assert (outcome.generation_id, outcome.kept) == (result.id.partition("-")[0], True)
    assert await bills(stills) == (1, 0)
    assert await stills.maintenance.recover() == []
