"""Images in a spool, also another user's: they are stored, downloaded again or reported."""

from pathlib import Path
from shutil import copytree

import pytest
from tests.support.bad_sector import BadSector
from tests.support.recovery import (
    KITE,
    Make,
    ends,
    execute,
    files,
    kept_free,
    make_without_a_key,
    refusing,
)

from stills.contract.errors import (
    Billing,
    ImageMissing,
    StoreRefused,
)
from stills.contract.size import Size
from stills.imaging import VipsImaging
from stills.sandbox import Fault, FaultKind, Sandbox
from stills.store import open_store


@pytest.fixture
async def spooled_elsewhere(make_stills: Make, tmp_path: Path) -> Path:
    """An image in the spool of another user who shares the catalog."""
    folder = tmp_path / "cron" / "spool"
    other = await make_stills(store=refusing(tmp_path, "images"), spool=open_store(str(folder)))
    with pytest.raises(StoreRefused, match="safe at"):
        await other.generate(KITE)
    await other.close()
    return folder


async def test_an_image_in_the_spool_of_another_user_is_stored_from_there(
    make_stills: Make, sandbox: Sandbox, spooled_elsewhere: Path
):
    """A retry with another HOME is free, and leaves nothing behind."""
    stills = await make_stills()
    await kept_free(stills, sandbox)
    assert files(spooled_elsewhere) == []
    assert await stills.maintenance.recover() == []


async def test_a_copy_that_can_not_be_removed_from_a_spool_does_no_harm(
    make_stills: Make, sandbox: Sandbox, spooled_elsewhere: Path
):
    """The image is stored, so its request is answered."""
    (sidecar,) = (spooled_elsewhere / "facts").iterdir()
    sidecar.unlink()
    sidecar.mkdir()
    await kept_free(await make_stills(), sandbox)
    assert files(spooled_elsewhere) == []


async def test_recover_stores_an_image_from_the_spool_of_another_user(
    make_stills: Make, sandbox: Sandbox, spooled_elsewhere: Path
):
    """Without a key too."""
    keyless = await make_without_a_key(make_stills)
    assert ends(await keyless.maintenance.recover()) == [(True, "")]
    assert files(spooled_elsewhere) == []
    await kept_free(await make_stills(), sandbox)


async def test_if_the_store_still_refuses_the_image_stays_and_its_folder_is_named(
    make_stills: Make, tmp_path: Path, spooled_elsewhere: Path
):
    """The folder that has it, not this process's own."""
    (image,) = spooled_elsewhere.glob("*.png")
    (tmp_path / "still").mkdir()
    stills = await make_stills(store=refusing(tmp_path / "still", "images"))
    with pytest.raises(StoreRefused, match=f"safe at {image.as_uri()}"):
        await stills.generate(KITE)
    assert image.exists()
    assert not (tmp_path / "spool").exists()


@pytest.mark.parametrize("trouble", ["gone", "damaged"])
async def test_a_spooled_image_that_can_not_be_read_is_downloaded_while_its_link_works(
    make_stills: Make, sandbox: Sandbox, spooled_elsewhere: Path, trouble: str
):
    """A container's spool may be lost with the container."""
    (image,) = spooled_elsewhere.glob("*.png")
    if trouble == "gone":
        image.unlink()
    else:
        image.write_bytes(image.read_bytes()[:-100])
    await kept_free(await make_stills(), sandbox)


async def test_a_spooled_image_that_was_replaced_is_not_stored(
    make_stills: Make, sandbox: Sandbox, spooled_elsewhere: Path, tmp_path: Path
):
    """Another image under its name would answer its requests from then on."""
    (image,) = spooled_elsewhere.glob("*.png")
    paid = image.read_bytes()
    image.chmod(0o644)
    image.write_bytes(await VipsImaging().fit(paid, Size(64, 64)))
    await kept_free(await make_stills(), sandbox)
    assert paid in [file.read_bytes() for file in (tmp_path / "images").glob("*.png")]


@pytest.mark.parametrize("expired", [False, True])
async def test_an_unreachable_spooled_image_is_reported_with_its_folder(
    make_stills: Make, sandbox: Sandbox, spooled_elsewhere: Path, tmp_path: Path, *, expired: bool
):
    """Nothing is billed; once the file is back, a retry finishes it."""
    if expired:
        execute(tmp_path / "stills.db", "UPDATE generations SET url_expires_at = 1")
    (image,) = spooled_elsewhere.glob("*.png")
    away = image.rename(image.with_name("away"))
    sandbox.set_faults(Fault(FaultKind.DEAD_URL, times=None))
    stills = await make_stills()
    with pytest.raises(ImageMissing) as caught:
        await stills.generate(KITE)
    error = caught.value
    assert f"{image.as_uri()} can't be read (No such file or directory)" in error.message
    assert "STILLS_SPOOL" in error.action
    assert error.billing is Billing.NONE
    ((kept, reason),) = ends(await stills.maintenance.recover())
    assert not kept
    assert image.as_uri() in reason
    away.rename(image)
    await kept_free(stills, sandbox)


async def test_an_image_spooled_by_an_earlier_version_is_stored(
    make_stills: Make, sandbox: Sandbox, tmp_path: Path
):
    """Its catalog did not record the spool, so it is this process's own."""
    broken = await make_stills(store=refusing(tmp_path, "images"))
    with pytest.raises(StoreRefused):
        await broken.generate(KITE)
    execute(tmp_path / "stills.db", "UPDATE generations SET spool_url = NULL")
    assert ends(await broken.maintenance.recover())[0][0] is False
    await kept_free(await make_stills(), sandbox)
    assert files(tmp_path / "spool") == []


async def test_an_image_on_another_machine_is_left_to_it_while_its_link_is_dead(
    make_stills: Make, sandbox: Sandbox, spooled_elsewhere: Path, tmp_path: Path
):
    """The error names the machine and what to do there; nothing is paid for or given up here."""
    execute(tmp_path / "stills.db", "UPDATE generations SET spool_owner = 'worker-1'")
    (image,) = spooled_elsewhere.glob("*.png")
    away = image.rename(image.with_name("away"))
    sandbox.set_faults(Fault(FaultKind.DEAD_URL, times=None))
    stills = await make_stills()
    with pytest.raises(ImageMissing) as caught:
        await stills.generate(KITE)
    error = caught.value
    assert f"in the spool of the machine worker-1, at {image.as_uri()}, " in error.message
    assert error.action.startswith("Run `stills recover` on worker-1")
    assert error.billing is Billing.NONE
    ((kept, reason),) = ends(await stills.maintenance.recover())
    assert not kept
    assert reason == f"{error.message}. {error.action}"
    away.rename(image)  # what only worker-1 can do
    assert ends(await stills.maintenance.recover()) == [(True, "")]
    await kept_free(stills, sandbox)


async def test_a_copy_that_a_crash_left_in_the_spool_is_removed(
    make_stills: Make, sandbox: Sandbox, tmp_path: Path
):
    """The image is stored already, so it is not counted as recovered."""
    broken = await make_stills(store=refusing(tmp_path, "images"))
    with pytest.raises(StoreRefused):
        await broken.generate(KITE)
    copytree(tmp_path / "spool", tmp_path / "copy")
    stills = await make_stills()
    assert ends(await stills.maintenance.recover()) == [(True, "")]
    copytree(tmp_path / "copy", tmp_path / "spool", dirs_exist_ok=True)

    counted: list[int] = []
    assert await stills.maintenance.recover(on_progress=counted.append) == []
    assert (files(tmp_path / "spool"), counted) == ([], [])
    await kept_free(stills, sandbox)


async def test_a_spooled_image_that_was_given_up_is_stored(
    make_stills: Make, sandbox: Sandbox, tmp_path: Path
):
    """The catalog failed when it was spooled, and a later request found its link dead."""
    broken = await make_stills(store=refusing(tmp_path, "images"))
    with pytest.raises(StoreRefused):
        await broken.generate(KITE)
    execute(tmp_path / "stills.db", "UPDATE generations SET stage = 'failed', spool_url = NULL")
    stills = await make_stills()
    counted: list[int] = []
    assert ends(await stills.maintenance.recover(on_progress=counted.append)) == [(True, "")]
    assert (files(tmp_path / "spool"), counted) == ([], [1])
    await kept_free(stills, sandbox)


async def test_a_spooled_image_that_is_still_refused_is_reported_once(
    make_stills: Make, tmp_path: Path
):
    """The catalog and the spool both have it."""
    broken = await make_stills(store=refusing(tmp_path, "images"))
    with pytest.raises(StoreRefused):
        await broken.generate(KITE)
    counted: list[int] = []
    ((kept, reason),) = ends(await broken.maintenance.recover(on_progress=counted.append))
    assert (kept, "safe at" in reason, counted) == (False, True, [1])


async def test_a_spooled_sidecar_that_can_not_be_read_is_reported(
    make_stills: Make, sandbox: Sandbox, tmp_path: Path
):
    """The other spooled images are stored."""
    broken = await make_stills(store=refusing(tmp_path, "images"))
    with pytest.raises(StoreRefused):
        await broken.generate(KITE)
    (tmp_path / "spool" / "facts" / "0123456789ab.json").write_text("{}")
    stills = await make_stills(spool=BadSector(tmp_path / "spool", "facts/0123456789ab.json"))
    assert ends(await stills.maintenance.recover()) == [(True, ""), (False, "a bad sector")]
    await kept_free(stills, sandbox)


@pytest.mark.parametrize(
    ("stage", "outcome"),
    [
        ("answered", (True, "")),
        ("sent", (False, f"a bad sector. {StoreRefused.default_action}")),
    ],
)
async def test_an_unreadable_copy_in_the_spool_does_not_hide_a_link(
    make_stills: Make, tmp_path: Path, stage: str, outcome: tuple[bool, str]
):
    """The image is downloaded; without a link, the reason is why the copy can't be read."""
    broken = await make_stills(store=refusing(tmp_path, "images"))
    with pytest.raises(StoreRefused):
        await broken.generate(KITE)
    execute(tmp_path / "stills.db", f"UPDATE generations SET stage = '{stage}'")
    (image,) = (tmp_path / "spool").glob("*.png")
    stills = await make_stills(spool=BadSector(tmp_path / "spool", image.name))
    assert ends(await stills.maintenance.recover()) == [outcome]
