"""Verify: missing, damaged and unknown images in the store are reported."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.bad_sector import BadSector
from tests.support.stored_file import file_of

from stills.app import Stills
from stills.contract.errors import ImageMissing, StoreRefused
from stills.contract.request import ImageRequest
from stills.contract.upkeep import Verified

KITE = ImageRequest(prompt="a red kite", size="512*512", seed=1)


def findings(verified: Verified) -> list[tuple[str, str, str]]:
    return [(str(each.verdict), each.path, each.owner) for each in verified.findings]


async def test_a_healthy_store_has_no_findings(stills: Stills):
    """A generation and its renditions are one object each; at native size they are the same."""
    assert (await stills.images.verify()).checked == 0
    await stills.generate(replace(KITE, size="1328*1328"))
    assert (await stills.images.verify()).checked == 1
    await stills.generate(KITE)
    verified = await stills.images.verify()
    assert (verified.checked, verified.findings, verified.has_losses) == (2, (), False)


async def test_a_missing_rendition_is_reported_by_id_and_rendered_again_on_request(stills: Stills):
    """Its generation is stored, so it is free."""
    result = await stills.generate(KITE)
    file_of(result).unlink()
    verified = await stills.images.verify()
    assert findings(verified) == [("missing", file_of(result).name, result.id)]
    assert verified.has_losses
    assert (await stills.generate(KITE)).cached
    assert (await stills.images.verify()).findings == ()


async def test_a_missing_generation_is_reported_by_id_and_not_paid_for_again(stills: Stills):
    """Once the file is back, there is no finding."""
    result = await stills.generate(replace(KITE, size="1328*1328"))
    path = file_of(result)
    away = path.rename(path.parent.parent / "away.png")
    owner = result.id.partition("-")[0]
    assert findings(await stills.images.verify()) == [("missing", path.name, owner)]
    with pytest.raises(ImageMissing):
        await stills.generate(replace(KITE, size="1328*1328"))
    away.rename(path)
    assert (await stills.images.verify()).findings == ()


@pytest.mark.parametrize("place", [0, 40, -1])
async def test_one_flipped_bit_is_damage(stills: Stills, place: int):
    """At the start, in the middle, at the end."""
    result = await stills.generate(KITE)
    path = file_of(result)
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
    verified = await stills.images.verify()
    assert findings(verified) == [("damaged", path.name, result.id)]
    assert verified.has_losses


async def test_a_file_that_can_not_be_read_does_not_end_the_check(
    make_stills: Callable[..., object], tmp_path: Path
):
    """It is reported, and so are all other problems."""
    stills = await make_stills()
    native = replace(KITE, size="1328*1328")
    results = [await stills.generate(replace(native, seed=seed)) for seed in range(4)]
    unreadable, missing, damaged, _ = map(file_of, results)
    missing.unlink()
    damaged.write_bytes(b"\x89PNG")
    await stills.close()

    disk = BadSector(tmp_path / "images", unreadable.name)
    verified = await (await make_stills(store=disk)).images.verify()
    assert verified.checked == 4
    assert {verdict: path for verdict, path, _ in findings(verified)} == {
        "unreadable": unreadable.name,
        "missing": missing.name,
        "damaged": damaged.name,
    }
    assert verified.has_losses


async def test_an_image_missing_in_the_catalog_is_not_a_loss(stills: Stills):
    """Files with other names are not reported, because they are not ours."""
    path = file_of(await stills.generate(KITE))
    stranger = path.with_name("sandbox-a-cat-512x512-seed1-ffffffffffff.png")
    stranger.write_bytes(path.read_bytes())
    path.with_name("holiday.png").write_bytes(b"mine")
    verified = await stills.images.verify()
    assert findings(verified) == [("unknown", stranger.name, "")]
    assert not verified.has_losses


async def test_a_store_that_is_gone_is_an_error_and_not_a_list_of_losses(
    make_stills: Callable[..., object], tmp_path: Path
):
    """An unplugged disk has lost nothing."""
    stills = await make_stills()
    await stills.generate(KITE)
    (tmp_path / "images").rename(tmp_path / "unplugged")
    with pytest.raises(StoreRefused, match="is missing"):
        await stills.images.verify()
