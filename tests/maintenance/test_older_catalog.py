"""A catalog restored from a backup, beside a store that went on: what is newer is found."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.recovery import KITE, Make, ends, execute, kept_free

from stills.contract.errors import ImageMissing, LinkDead, StoreRefused
from stills.pipeline.sidecar import SIDECAR_FOLDER
from stills.sandbox import Fault, FaultKind, Sandbox
from stills.store import open_store

BLUE = replace(KITE, prompt="a blue kite")


def back_up(folder: Path) -> None:
    execute(folder / "stills.db", f"VACUUM INTO '{folder / 'backup.db'}'")


def restore(folder: Path) -> None:
    for name in ("stills.db", "stills.db-wal", "stills.db-shm"):
        (folder / name).unlink(missing_ok=True)
    (folder / "backup.db").rename(folder / "stills.db")


async def spent(stills) -> tuple[int, int]:
    (line,) = await stills.spend()
    return line.billed, line.possible


async def test_an_image_that_was_under_way_is_billed_once(
    make_stills: Make, sandbox: Sandbox, tmp_path: Path
):
    """The backup has its call and its link, the store the image."""
    sandbox.set_faults(Fault(FaultKind.DEAD_URL, times=None))
    stills = await make_stills()
    with pytest.raises(LinkDead):
        await stills.generate(KITE)
    back_up(tmp_path)
    sandbox.set_faults()
    await stills.generate(KITE)
    await stills.close()
    restore(tmp_path)

    stills = await make_stills()
    assert ends((await stills.maintenance.rebuild())[1]) == [(True, "")]
    await kept_free(stills, sandbox)
    assert await spent(stills) == (1, 0)


async def test_an_image_that_is_only_in_the_spool_is_stored(
    make_stills: Make, sandbox: Sandbox, tmp_path: Path
):
    """The backup knows nothing of it, so its machine must run `recover --rebuild`."""
    stills = await make_stills()
    await stills.generate(BLUE)
    back_up(tmp_path)
    sidecars = tmp_path / "images" / SIDECAR_FOLDER
    away = sidecars.rename(tmp_path / "away")
    sidecars.write_text("")  # the store refuses images
    with pytest.raises(StoreRefused, match="safe at"):
        await stills.generate(KITE)
    await stills.close()
    sidecars.unlink()
    away.rename(sidecars)
    restore(tmp_path)

    elsewhere = await make_stills(spool=open_store(str(tmp_path / "another spool")))
    assert (await elsewhere.maintenance.rebuild())[1] == []
    here = await make_stills()
    assert ends((await here.maintenance.rebuild())[1]) == [(True, "")]
    await kept_free(elsewhere, sandbox)
    assert await spent(here) == (2, 0)


async def test_an_image_deleted_since_the_backup_is_reported_and_can_be_deleted_again(
    make_stills: Make, sandbox: Sandbox, tmp_path: Path
):
    """It is not paid for by accident."""
    stills = await make_stills()
    await stills.generate(BLUE)
    result = await stills.generate(KITE)
    back_up(tmp_path)
    await stills.images.delete(await stills.images.find(result.id))
    await stills.close()
    restore(tmp_path)

    stills = await make_stills()
    await stills.maintenance.rebuild()
    (finding, *_) = (await stills.images.verify()).findings
    assert result.id.startswith(finding.owner.partition("-")[0])
    with pytest.raises(ImageMissing):
        await stills.generate(KITE)
    await stills.images.delete(await stills.images.find(result.id))
    assert (await stills.images.verify()).findings == ()
    assert sandbox.ledger.billed_images == 2
