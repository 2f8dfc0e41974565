"""The store's marker: an unmounted disk or another store is detected before paying."""

import json
import logging
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from stills.app import Stills
from stills.catalog import SqliteCatalog
from stills.contract.errors import Billing, StoreRefused, WrongStore
from stills.contract.request import ImageRequest
from stills.pipeline.store_marker import StoreMarker
from stills.sandbox import Sandbox
from stills.store import open_store
from stills.store.folder import FolderStore

KITE = ImageRequest(prompt="a red kite", size="512*512", seed=1)
CAT = replace(KITE, prompt="a cat")
Make = Callable[..., object]


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def execute(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def forget_the_marker(tmp_path: Path) -> None:
    """Leave catalog and store as a version without markers did."""
    (tmp_path / "images" / "store" / "id.txt").unlink()
    execute(tmp_path / "stills.db", "UPDATE store SET confirmed = FALSE")


@pytest.fixture
async def filled(make_stills: Make, tmp_path: Path) -> Path:
    """Make a catalog with one image; returns the store's folder."""
    stills = await make_stills()
    await stills.generate(KITE)
    await stills.close()
    return tmp_path / "images"


async def refusal(stills: Stills, sandbox: Sandbox, request: ImageRequest = CAT) -> StoreRefused:
    """Request a new image, which must be rejected before anything is sent."""
    before = len(sandbox.ledger.generations)
    with pytest.raises(StoreRefused) as caught:
        await stills.generate(request)
    assert len(sandbox.ledger.generations) == before
    assert caught.value.billing is Billing.NONE
    assert caught.value.message.endswith("; nothing was sent")
    return caught.value


async def test_a_store_has_one_marker_for_all_its_catalogs(make_stills: Make, tmp_path: Path):
    """The first catalog creates it, and the others record the same id."""
    stills = await make_stills()
    await stills.generate(KITE)
    marker = tmp_path / "images" / "store" / "id.txt"
    written = marker.read_text()
    other = await make_stills(catalog=SqliteCatalog(tmp_path / "other.db"))
    await other.generate(CAT)
    assert marker.read_text() == written
    catalog = SqliteCatalog(tmp_path / "other.db")
    known = await catalog.read_store()
    await catalog.close()
    assert (known.id, known.confirmed) == (written.strip(), True)


async def test_the_marker_is_written_once_and_then_only_read(tmp_path: Path):
    """A service is asked every few seconds whether it is ready."""
    written = []

    class Counted(FolderStore):
        async def put(self, path: str, *arguments: object, **options: object) -> None:
            written.append(path)
            await super().put(path, *arguments, **options)

    catalog = SqliteCatalog(tmp_path / "stills.db")
    marker = StoreMarker(Counted(tmp_path / "images"), catalog)
    await marker.check_ready()
    made = len(written)
    await marker.check_ready()
    assert len(written) == made
    marker.doubt()
    await marker.check_ready()
    assert len(written) == made + 1
    await catalog.close()


@pytest.mark.parametrize("bare", ["empty", "gone"])
@pytest.mark.parametrize("before_markers", [False, True])
async def test_an_unmounted_store_is_detected_before_anything_is_sent(
    make_stills: Make, sandbox: Sandbox, tmp_path: Path, filled: Path, *,
    bare: str, before_markers: bool
):  # fmt: skip
    """The mount point stays empty; once mounted, the same process continues."""
    if before_markers:
        forget_the_marker(tmp_path)
    away = filled.rename(tmp_path / "away")
    if bare == "empty":
        filled.mkdir()
    stills = await make_stills()
    error = await refusal(stills, sandbox)
    assert filled.as_uri() in error.message or str(filled) in error.message
    assert "ount the " in error.action
    assert not filled.exists() or files(filled) == []
    if bare == "empty":
        filled.rmdir()
    away.rename(filled)
    assert not (await stills.generate(CAT)).cached
    assert (await stills.images.verify()).findings == ()


async def test_a_store_older_than_markers_gets_one(make_stills: Make, tmp_path: Path, filled: Path):
    """Because it has the catalog's images; one of the newest is enough."""
    stills = await make_stills()
    lost = await stills.generate(CAT)
    await stills.close()
    for path in filled.glob(f"*{lost.id.partition('-')[0]}*"):
        path.unlink()
    forget_the_marker(tmp_path)
    stills = await make_stills()
    await stills.generate(replace(KITE, prompt="a dog"))
    assert (filled / "store" / "id.txt").exists()


@pytest.mark.usefixtures("filled")
async def test_a_store_of_another_catalog_is_rejected_until_a_rebuild(
    make_stills: Make, sandbox: Sandbox, tmp_path: Path
):
    """An accidentally changed STILLS_STORE gets no image; a rebuild accepts it on purpose."""
    other = {
        "catalog": SqliteCatalog(tmp_path / "other.db"),
        "store": open_store(str(tmp_path / "other")),
    }
    await (await make_stills(**other)).generate(replace(KITE, prompt="a dog"))
    before = files(tmp_path / "other")

    stills = await make_stills(store=open_store(str(tmp_path / "other")))
    error = await refusal(stills, sandbox)
    assert "belongs to another catalog's store" in error.message
    assert "recover --rebuild" in error.action
    assert files(tmp_path / "other") == before

    await stills.maintenance.rebuild()
    assert not (await stills.generate(CAT)).cached
    again = await make_stills()
    error = await refusal(again, sandbox, replace(CAT, seed=2))
    assert "another catalog's store" in error.message


async def test_an_empty_marker_accepts_the_store(
    make_stills: Make, sandbox: Sandbox, tmp_path: Path, filled: Path
):
    """For users who emptied the store on purpose."""
    filled.rename(tmp_path / "away")
    stills = await make_stills()
    assert "store/id.txt" in (await refusal(stills, sandbox)).action
    (filled / "store").mkdir(parents=True)
    (filled / "store" / "id.txt").touch()
    assert not (await stills.generate(CAT)).cached
    written = (filled / "store" / "id.txt").read_text()
    assert written == (tmp_path / "away" / "store" / "id.txt").read_text()


async def test_a_catalog_without_images_accepts_another_store(make_stills: Make, tmp_path: Path):
    """For example after a first store that was too small: no image can be missing."""
    full = await make_stills()
    blocked = tmp_path / "images" / "facts"
    blocked.parent.mkdir()
    blocked.write_text("in the way")
    with pytest.raises(StoreRefused, match="safe at"):
        await full.generate(KITE)
    assert (tmp_path / "images" / "store" / "id.txt").exists()
    stills = await make_stills(store=open_store(str(tmp_path / "other")))
    assert (await stills.generate(KITE)).cached


class Unlisted:
    """A store that can't be listed the first time, as after a short outage."""

    def __init__(self, folder: Path) -> None:
        self._store = open_store(str(folder))
        self._is_down = True

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    async def paths(self, folder: str) -> object:
        if self._is_down:
            self._is_down = False
            raise StoreRefused("no answer")
        return await self._store.paths(folder)


@pytest.mark.parametrize("mounted", [True, False])
async def test_nothing_is_sent_while_the_store_can_t_be_checked(
    make_stills: Make, sandbox: Sandbox, tmp_path: Path, filled: Path, *, mounted: bool
):
    """The next request checks it again."""
    if not mounted:
        filled.rename(tmp_path / "away")
    stills = await make_stills(store=Unlisted(filled))
    error = await refusal(stills, sandbox, CAT)
    assert error.message == "no answer; nothing was sent"
    if mounted:
        assert not (await stills.generate(CAT)).cached
    else:
        assert isinstance(await refusal(stills, sandbox, CAT), WrongStore)
        assert not filled.exists()


async def test_after_the_store_refused_an_image_it_is_checked_before_the_next_call(
    make_stills: Make, sandbox: Sandbox, tmp_path: Path
):
    """So an outage during a run costs no more than what was already under way."""
    stills = await make_stills()
    await stills.generate(KITE)
    (tmp_path / "images").rename(tmp_path / "away")
    (tmp_path / "images").write_text("in the way")
    with pytest.raises(StoreRefused, match="safe at") as caught:
        await stills.generate(CAT)
    assert caught.value.billing is Billing.BILLED
    await refusal(stills, sandbox, replace(CAT, seed=2))
    (tmp_path / "images").unlink()
    (tmp_path / "away").rename(tmp_path / "images")
    assert (await stills.generate(CAT)).cached
    assert not (await stills.generate(replace(CAT, seed=2))).cached
    assert sandbox.ledger.billed_images == 3


async def test_renditions_are_not_written_to_an_unmounted_store(
    make_stills: Make, tmp_path: Path, filled: Path
):
    """Mounting the disk would hide them."""
    images = {path: path.read_bytes() for path in filled.glob("*.png")}
    filled.rename(tmp_path / "away")
    filled.mkdir()
    for path, data in images.items():
        path.write_bytes(data)  # what somebody copied there by hand
    stills = await make_stills()
    with pytest.raises(WrongStore):
        await stills.generate(replace(KITE, size="300*300"))
    assert len(files(filled)) == len(images)


# An empty catalog and a store with images


@pytest.mark.usefixtures("filled")
async def test_an_empty_catalog_with_a_full_store_warns_once_before_anything_is_sent(
    make_stills: Make, sandbox: Sandbox, tmp_path: Path, caplog
):
    """In the log, and in the notes of the first paid image."""
    (tmp_path / "stills.db").unlink()
    stills = await make_stills()
    sent: list[int] = []

    class Watch(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            del record
            sent.append(len(sandbox.ledger.generations))

    watch = Watch()
    logging.getLogger("stills").addHandler(watch)
    try:
        first = await stills.generate(CAT)
        second = await stills.generate(replace(CAT, seed=2))
    finally:
        logging.getLogger("stills").removeHandler(watch)
    (warning,) = [record for record in caplog.records if record.name == "stills"]
    assert "the store has 1 image" in warning.getMessage()
    assert "`stills recover --rebuild`" in warning.getMessage()
    assert sent == [1]  # the call that filled the store
    assert warning.getMessage() in first.notes
    assert not [note for note in second.notes if "rebuild" in note]
    assert not [note for note in (await stills.generate(CAT)).notes if "rebuild" in note]


async def test_a_new_or_rebuilt_catalog_does_not_warn(
    make_stills: Make, sandbox: Sandbox, tmp_path: Path, caplog
):
    """There is nothing to read back, or it was done."""
    stills = await make_stills()
    await stills.generate(KITE)
    await stills.close()
    (tmp_path / "stills.db").unlink()
    stills = await make_stills()
    await stills.maintenance.rebuild()
    assert (await stills.generate(KITE)).cached
    await stills.generate(CAT)
    assert [record for record in caplog.records if record.name == "stills"] == []
    assert sandbox.ledger.billed_images == 2


# The spool at a rebuild


async def spool_one(make_stills: Make, tmp_path: Path, **parts: object) -> None:
    """Pay for an image that a catalog's store refuses."""
    stills = await make_stills(**parts)
    folder = tmp_path / "images" / "facts"
    aside = folder.rename(tmp_path / "facts")
    folder.write_text("in the way")
    with pytest.raises(StoreRefused, match="safe at"):
        await stills.generate(CAT)
    folder.unlink()
    aside.rename(folder)
    await stills.close()


@pytest.mark.usefixtures("filled")
async def test_a_rebuild_adds_the_spooled_images_of_this_store(
    make_stills: Make, sandbox: Sandbox, tmp_path: Path
):
    """The sidecar names the store for which the image was paid."""
    await spool_one(make_stills, tmp_path)
    (tmp_path / "stills.db").unlink()

    other = await make_stills(
        catalog=SqliteCatalog(tmp_path / "other.db"), store=open_store(str(tmp_path / "other"))
    )
    await other.generate(replace(KITE, prompt="a dog"))
    await other.maintenance.rebuild()
    assert len(files(tmp_path / "spool")) == 2

    stills = await make_stills()
    _, outcomes = await stills.maintenance.rebuild()
    assert [outcome.kept for outcome in outcomes] == [True, True]
    assert files(tmp_path / "spool") == []
    assert (await stills.generate(CAT)).cached
    assert (await stills.images.verify()).findings == ()
    assert sandbox.ledger.billed_images == 3
    assert [line.billed for line in await stills.spend()] == [2]


@pytest.mark.usefixtures("filled")
async def test_a_rebuild_adds_spooled_images_without_a_store_id(
    make_stills: Make, sandbox: Sandbox, tmp_path: Path
):
    """Earlier versions spooled them like this."""
    await spool_one(make_stills, tmp_path)
    (tmp_path / "stills.db").unlink()
    (sidecar,) = (tmp_path / "spool" / "facts").iterdir()
    sidecar_fields = json.loads(sidecar.read_bytes())
    del sidecar_fields["store"]
    sidecar.write_text(json.dumps(sidecar_fields))
    stills = await make_stills()
    await stills.maintenance.rebuild()
    assert (await stills.generate(CAT)).cached
    assert sandbox.ledger.billed_images == 2
