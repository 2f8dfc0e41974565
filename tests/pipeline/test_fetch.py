"""Fetch: only images that can be decoded are stored, and bad copies are downloaded again."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from stills.app import Stills
from stills.contract.errors import Billing, DamagedImage, ImageMissing, StoreRefused
from stills.contract.request import ImageRequest
from stills.imaging import VipsImaging
from stills.sandbox import Fault, FaultKind, Sandbox, SendKind
from stills.sandbox.broken_png import BREAKS
from stills.store import open_store

KITE = ImageRequest(prompt="a red kite", size="1328*1328", seed=1)


class NotDecoding(VipsImaging):
    """Stores images without decoding them, as older versions did."""

    async def check_pixels(self, png) -> None:
        del png


@pytest.mark.parametrize("kind", BREAKS)
async def test_an_undecodable_image_is_downloaded_again(stills: Stills, sandbox: Sandbox, kind):
    """One bad copy is not stored, and costs nothing."""
    sandbox.set_faults(Fault(kind))
    await stills.generate(KITE)
    await stills.generate(replace(KITE, size="512*512"))
    assert (await stills.images.verify()).findings == ()
    assert len(sandbox.ledger.of_kind(SendKind.DOWNLOAD)) == 2
    assert sandbox.ledger.billed_images == 1


@pytest.mark.parametrize("kind", BREAKS)
async def test_a_retry_downloads_an_undecodable_image_while_its_link_works(
    stills: Stills, sandbox: Sandbox, tmp_path: Path, kind
):
    """The error says that it is billed and the retry free; nothing is stored until then."""
    sandbox.set_faults(Fault(kind, times=None))
    with pytest.raises(DamagedImage, match="can't be decoded") as caught:
        await stills.generate(KITE)
    assert caught.value.billing is Billing.BILLED
    assert "Retry to download it again, free as long as its link lives" in caught.value.action
    assert list((tmp_path / "images").glob("*.png")) == []
    sandbox.set_faults()
    result = await stills.generate(KITE)
    assert result.cached
    assert sandbox.ledger.billed_images == 1


@pytest.mark.parametrize("kind", BREAKS)
async def test_an_undecodable_image_of_an_older_version_is_reported(
    make_stills: Callable[..., object], sandbox: Sandbox, kind
):
    """`verify` calls it damaged; requests for other sizes name the file and the fix."""
    sandbox.set_faults(Fault(kind, times=None))
    older = await make_stills(imaging=NotDecoding())
    await older.generate(KITE)
    stills = await make_stills()
    (finding,) = (await stills.images.verify()).findings
    assert (finding.verdict, finding.path.endswith(".png")) == ("damaged", True)
    with pytest.raises(ImageMissing, match=r"file://.*png is a damaged PNG") as caught:
        await stills.generate(replace(KITE, size="512*512"))
    assert "--fresh" in caught.value.action


async def test_an_undecodable_image_in_the_spool_is_downloaded_again(
    make_stills: Callable[..., object], sandbox: Sandbox, tmp_path: Path
):
    """While its link works; it is not moved into the store."""
    (tmp_path / "a-file").write_text("not a folder")
    sandbox.set_faults(Fault(FaultKind.SHORT_IDAT))
    older = await make_stills(
        imaging=NotDecoding(), store=open_store(str(tmp_path / "a-file" / "images"))
    )
    with pytest.raises(StoreRefused):
        await older.generate(KITE)
    stills = await make_stills()
    await stills.generate(KITE)
    assert (await stills.images.verify()).findings == ()
    assert sandbox.ledger.billed_images == 1


async def test_a_damaged_image_that_can_not_be_set_aside_is_an_error_all_the_same(
    make_stills: Callable[..., object], sandbox: Sandbox, tmp_path: Path
):
    """The spool is broken too; the error does not say that the bytes are there."""
    sandbox.set_faults(Fault(FaultKind.TRUNCATED_PNG, times=None))
    stills = await make_stills(spool=open_store(str(tmp_path / "a-file" / "spool")))
    (tmp_path / "a-file").write_text("not a folder")
    with pytest.raises(DamagedImage) as caught:
        await stills.generate(KITE)
    assert caught.value.billing is Billing.BILLED
    assert "set aside" not in caught.value.action
