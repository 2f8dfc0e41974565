"""A catalog file that changes while a process has it open: no money is spent."""

import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.support.catalog_steps import SIZE, Till, spec

from stills.catalog import SqliteCatalog
from stills.contract.errors import Billing, CatalogError
from stills.contract.generation import CatalogHit, ProviderAnswer, Settlement
from stills.contract.money import Caps

ANSWER = ProviderAnswer("https://oss.example/a.png", 4e9, "r-1")
BILLED = Settlement(Billing.BILLED, "answered", "r-1")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "stills.db"


@pytest.fixture
async def till(path: Path) -> AsyncIterator[Till]:
    """A till with an open catalog that has one image."""
    catalog = SqliteCatalog(path)
    till = Till(catalog)
    await till.buy("bought before")
    yield till
    await catalog.close()


def upgrade(path: Path) -> None:
    """Change the schema, as a newer Stills does when it opens the catalog."""
    with closing(sqlite3.connect(path, isolation_level=None)) as newer:
        newer.execute("PRAGMA user_version = 999")


def delete(path: Path) -> None:
    path.unlink()


def replace_by_a_copy(path: Path) -> None:
    copy = path.with_name("copy.db")
    shutil.copy(path, copy)
    copy.replace(path)


CHANGES = pytest.mark.parametrize(
    ("change", "words"),
    [
        (upgrade, "newer Stills"),
        (delete, "is gone: it was deleted or moved"),
        (replace_by_a_copy, "was replaced"),
    ],
)


@CHANGES
async def test_nothing_is_claimed_in_a_changed_file(till: Till, path: Path, change, words):
    """The claim is refused, so nothing is sent; stored images are still found."""
    change(path)
    with pytest.raises(CatalogError, match=words) as caught:
        await till.claim("new")
    assert caught.value.billing is Billing.NONE
    assert isinstance(await till.catalog.find("bought before", SIZE), CatalogHit)


@CHANGES
async def test_nothing_is_sent_for_a_claim_from_before_the_change(
    till: Till, path: Path, change, words
):
    """A claimed generation that waits for its start is not sent."""
    claim = await till.claim("new")
    change(path)
    with pytest.raises(CatalogError, match=words):
        await till.send(claim, None)


async def test_an_answer_is_still_journalled_after_an_upgrade(till: Till, path: Path):
    """The money is spent, so the journal must record where the image is."""
    claim = await till.claim("new")
    send = await till.send(claim, None)
    upgrade(path)
    await till.catalog.record_answer(claim.generation.id, ANSWER, send=send, settlement=BILLED)
    (line,) = await till.catalog.list_sends(claim.generation.id)
    assert line.billing is Billing.BILLED


@pytest.mark.parametrize("change", [delete, replace_by_a_copy])
async def test_an_answer_is_not_journalled_in_a_file_that_is_no_longer_used(
    till: Till, path: Path, change
):
    """An error makes the caller store the image and report that it is not recorded."""
    claim = await till.claim("new")
    send = await till.send(claim, None)
    change(path)
    with pytest.raises(CatalogError, match="while this process was using it"):
        await till.catalog.record_answer(claim.generation.id, ANSWER, send=send, settlement=BILLED)


async def test_a_file_that_is_moved_back_is_used_again(till: Till, path: Path):
    """Nothing was lost, so no restart is needed."""
    aside = path.with_name("aside.db")
    path.rename(aside)
    with pytest.raises(CatalogError):
        await till.claim("new")
    aside.rename(path)
    await till.claim("new")


@pytest.mark.usefixtures("till")
async def test_a_process_that_reopens_the_file_works(path: Path):
    """The error says to restart."""
    replace_by_a_copy(path)
    restarted = SqliteCatalog(path)
    taken = await restarted.claim(spec("new"), SIZE, lease_seconds=60, fresh=False, caps=Caps())
    assert taken is not None
    await restarted.close()


async def test_a_deleted_file_is_not_writable(till: Till, path: Path):
    """A readiness check reports it before a request fails."""
    await till.catalog.check_writable()
    delete(path)
    with pytest.raises(CatalogError, match="is gone"):
        await till.catalog.check_writable()
