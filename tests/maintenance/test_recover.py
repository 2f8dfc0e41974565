"""Recover and rebuild: finish paid images, and add stored images to the catalog again."""

import asyncio
import json
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from tests.support.bad_sector import BadSector

from stills.app import Recovered, Stills
from stills.catalog import SqliteCatalog, schema
from stills.contract.errors import (
    Billing,
    CatalogError,
    ContentRefused,
    ImageMissing,
    LinkDead,
    MissingKey,
    StoreRefused,
)
from stills.contract.money import SpendBy
from stills.contract.ports.provider import Provider
from stills.contract.request import ImageRequest
from stills.contract.result import ImageResult
from stills.provider.deferred import DeferredProvider
from stills.sandbox import Fault, FaultKind, Sandbox
from stills.store import open_store

KITE = ImageRequest(prompt="a red kite", size="512*512", style="ink", seed=1)
Make = Callable[..., object]


def file_of(result: ImageResult) -> Path:
    return Path(unquote(urlsplit(result.image_url).path))


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def execute(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def refusing(folder: Path, name: str) -> object:
    """A store whose folder can't be created, because a file is in the way."""
    (folder / f"{name}-in-the-way").write_text("")
    return open_store(str(folder / f"{name}-in-the-way" / name))


async def kept_free(stills: Stills, sandbox: Sandbox, request: ImageRequest = KITE) -> ImageResult:
    """Request a paid image: it is stored and intact, and nothing is sent."""
    before = len(sandbox.ledger.generations)
    result = await stills.generate(request)
    assert result.cached
    assert len(sandbox.ledger.generations) == before
    assert (await stills.images.verify()).findings == ()
    return result


def ends(outcomes: Sequence[Recovered]) -> list[tuple[bool, str]]:
    return [(outcome.kept, outcome.reason) for outcome in outcomes]


async def test_recover_without_unfinished_images_does_nothing(stills: Stills, sandbox: Sandbox):
    """On a healthy catalog, and on one that was never used."""
    assert await stills.recover() == []
    await stills.generate(KITE)
    assert await stills.recover() == []
    assert sandbox.ledger.billed_images == 1


async def test_a_spooled_image_is_put_into_the_store(
    make_stills: Make, sandbox: Sandbox, tmp_path: Path
):
    """Without a provider; the spool is empty afterwards."""
    broken = await make_stills(store=refusing(tmp_path, "images"))
    with pytest.raises(StoreRefused, match="safe at") as caught:
        await broken.generate(KITE)
    assert caught.value.billing is Billing.BILLED
    assert caught.value.action.endswith("A retry or `stills recover` stores it free of charge.")
    assert ends(await broken.recover())[0][0] is False

    mended = without_a_key(await make_stills())
    assert ends(await mended.recover()) == [(True, "")]
    assert files(tmp_path / "spool") == []
    assert await mended.recover() == []
    await kept_free(await make_stills(), sandbox)


def without_a_key(stills: Stills) -> Stills:
    """The same Stills as without an API key."""

    async def refuse(_: object) -> Provider:
        raise MissingKey

    return Stills(replace(stills._ports, provider=DeferredProvider("none", refuse)))


async def test_an_answer_is_downloaded_and_nothing_is_sent(stills: Stills, sandbox: Sandbox):
    """After a link failed for a while, the image is downloaded, not generated again."""
    sandbox.set_faults(Fault(FaultKind.DEAD_URL, times=None))
    with pytest.raises(LinkDead):
        await stills.generate(KITE)
    kept, reason = ends(await stills.recover())[0]
    assert not kept
    assert "403" in reason
    sandbox.set_faults()
    assert ends(await stills.recover()) == [(True, "")]
    assert len(await stills.images.list()) == 1
    await kept_free(stills, sandbox)


async def leave_answered(stills: Stills, sandbox: Sandbox, folder: Path) -> None:
    """Pay for an image whose download fails until its link expires, by our clock."""
    sandbox.set_faults(Fault(FaultKind.DEAD_URL, times=None))
    with pytest.raises(LinkDead):
        await stills.generate(KITE)
    execute(folder / "stills.db", "UPDATE generations SET url_expires_at = 1")


async def test_an_expired_link_that_still_works_is_recovered(
    stills: Stills, sandbox: Sandbox, tmp_path: Path
):
    """Our clock was ahead: the link is tried, and the image stored."""
    await leave_answered(stills, sandbox, tmp_path)
    sandbox.set_faults()
    assert ends(await stills.recover()) == [(True, "")]
    await kept_free(stills, sandbox)


async def test_an_expired_link_that_fails_is_reported_as_lost(
    stills: Stills, sandbox: Sandbox, tmp_path: Path
):
    """It is not called stored; the next request pays once for a new image and notes the loss."""
    await leave_answered(stills, sandbox, tmp_path)
    lost = (False, "its link expired before it was downloaded")
    assert ends(await stills.recover()) == [lost]
    assert sandbox.ledger.billed_images == 1

    sandbox.set_faults()
    result = await stills.generate(KITE)
    assert not result.cached
    assert any("link expired before the download" in note for note in result.notes)
    assert sandbox.ledger.billed_images == 2
    assert await stills.recover() == []


async def test_an_expired_image_that_is_not_requested_again_is_reported_once_more(
    stills: Stills, sandbox: Sandbox, tmp_path: Path
):
    """Then it is settled: there is nothing left to recover."""
    await leave_answered(stills, sandbox, tmp_path)
    lost = (False, "its link expired before it was downloaded")
    assert ends(await stills.recover()) == [lost]
    assert ends(await stills.recover()) == [lost]
    assert await stills.recover() == []


async def test_without_a_key_an_answer_waits_and_the_key_is_asked_for(
    make_stills: Make, sandbox: Sandbox
):
    """It can only be downloaded from the service that made it."""
    sandbox.set_faults(Fault(FaultKind.DEAD_URL, times=None))
    stills = await make_stills()
    with pytest.raises(LinkDead):
        await stills.generate(KITE)
    keyless = without_a_key(await make_stills())
    reason = "to be downloaded from sandbox: run again with its key set"
    assert ends(await keyless.recover()) == [(False, reason)]


async def test_if_store_and_spool_refuse_the_link_is_left(
    make_stills: Make, sandbox: Sandbox, tmp_path: Path
):
    """The error says so and names the time left; recover downloads the image later."""
    both = {"store": refusing(tmp_path, "images"), "spool": refusing(tmp_path, "spool")}
    broken = await make_stills(**both)
    with pytest.raises(StoreRefused, match="the spool refused as well") as caught:
        await broken.generate(KITE)
    assert caught.value.billing is Billing.BILLED
    assert "within a day" in caught.value.action

    mended = await make_stills()
    assert ends(await mended.recover()) == [(True, "")]
    await kept_free(mended, sandbox)


async def test_a_spooled_sidecar_without_an_image_does_no_harm(
    make_stills: Make, sandbox: Sandbox, tmp_path: Path
):
    """A spool that fills up between the two files leaves one."""
    broken = await make_stills(store=refusing(tmp_path, "images"))
    with pytest.raises(StoreRefused):
        await broken.generate(KITE)
    execute(tmp_path / "stills.db", "UPDATE generations SET stage = 'answered'")
    next((tmp_path / "spool").glob("*.png")).unlink()

    stills = await make_stills()
    assert ends(await stills.recover()) == [(True, "")]
    assert await stills.recover() == []
    await kept_free(stills, sandbox)


async def test_a_spool_shared_by_two_catalogs_gives_each_its_own(
    make_stills: Make, sandbox: Sandbox, tmp_path: Path
):
    """The spool is per user; another project's recover must not take the image."""
    broken = await make_stills(store=refusing(tmp_path, "images"))
    with pytest.raises(StoreRefused):
        await broken.generate(KITE)

    other = await make_stills(
        catalog=SqliteCatalog(tmp_path / "other.db"), store=open_store(str(tmp_path / "other"))
    )
    assert await other.recover() == []
    assert await other.images.list() == []

    stills = await make_stills()
    assert ends(await stills.recover()) == [(True, "")]
    await kept_free(stills, sandbox)


async def test_an_image_whose_link_expired_is_not_called_kept(
    stills: Stills, sandbox: Sandbox, tmp_path: Path
):
    """The download was tried; a retry pays for a new image, and says why."""
    sandbox.set_faults(Fault(FaultKind.DEAD_URL, times=None))
    with pytest.raises(LinkDead):
        await stills.generate(KITE)
    execute(tmp_path / "stills.db", "UPDATE generations SET url_expires_at = 1")
    assert ends(await stills.recover()) == [(False, "its link expired before it was downloaded")]
    assert await stills.images.list() == []
    sandbox.set_faults()
    result = await stills.generate(KITE)
    assert not result.cached
    assert "An earlier image was billed" in " ".join(result.notes)
    assert await stills.recover() == []
    assert await bills(stills) == (2, 0)


# Sidecars that the catalog still needs

CUT_OFF = (False, "cut off after it was sent: possibly billed, and no image came")


def forget_the_answer(catalog: Path) -> None:
    """Leave the catalog as after a crash, when only the store has the image."""
    execute(
        catalog,
        "DELETE FROM answers",
        "DELETE FROM requests",
        "DELETE FROM renditions",
        "UPDATE generations SET stage = 'sent', sha256 = NULL, byte_count = NULL, "
        "object_path = NULL",
        "UPDATE sends SET settled_at = NULL, billing = 'possible', code = 'unsettled'",
    )


async def test_an_adopted_image_is_billed_on_the_ledger(stills: Stills, tmp_path: Path):
    """The image proves it; requesting it again is not counted."""
    result = await stills.generate(KITE)
    forget_the_answer(tmp_path / "stills.db")
    assert ends(await stills.recover()) == [(True, "")]
    assert await bills(stills) == (1, 0)
    (image,) = await stills.images.list()
    (call,) = await stills.images.list_sends(image)
    assert (call.billing, call.code) == (Billing.BILLED, "adopted")
    assert call.settled_at is not None
    assert (await stills.generate(KITE)).id == result.id
    assert await bills(stills) == (1, 0)


BROKEN = {
    "no JSON": lambda sidecar, _: sidecar.write_bytes(b"\x00\xff"),
    "another's": lambda sidecar, other: sidecar.write_bytes(other.read_bytes()),
    "missing": lambda sidecar, _: sidecar.unlink(),
    "another image's digest": lambda sidecar, other: sidecar.write_text(
        json.dumps(
            json.loads(sidecar.read_bytes()) | {"sha256": json.loads(other.read_bytes())["sha256"]}
        )
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
async def test_a_broken_sidecar_is_skipped(
    stills: Stills, sandbox: Sandbox, tmp_path: Path, kind: str
):
    """Its call stays possibly billed, a retry pays once, and the other images are added."""
    broken, sound = [await stills.generate(replace(KITE, seed=seed)) for seed in (1, 2)]
    forget_the_answer(tmp_path / "stills.db")
    folder = tmp_path / "images" / "facts"
    ids = [result.id.partition("-")[0] for result in (broken, sound)]
    BROKEN[kind](*(folder / f"{generation_id}.json" for generation_id in ids))

    outcomes = {outcome.generation_id: outcome for outcome in await stills.recover()}
    assert ends([outcomes[generation_id] for generation_id in ids]) == [CUT_OFF, (True, "")]
    assert await bills(stills) == (1, 1)
    assert (await stills.generate(replace(KITE, seed=2))).cached
    assert not (await stills.generate(KITE)).cached
    assert await bills(stills) == (2, 1)
    assert sandbox.ledger.billed_images == 3


# Spools in other folders


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
    assert await stills.recover() == []


async def test_recover_stores_an_image_from_the_spool_of_another_user(
    make_stills: Make, sandbox: Sandbox, spooled_elsewhere: Path
):
    """Without a key too."""
    keyless = without_a_key(await make_stills())
    assert ends(await keyless.recover()) == [(True, "")]
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
    assert image.as_uri() in error.message
    assert "STILLS_SPOOL" in error.action
    assert error.billing is Billing.NONE
    ((kept, reason),) = ends(await stills.recover())
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
    assert ends(await broken.recover())[0][0] is False
    await kept_free(await make_stills(), sandbox)
    assert files(tmp_path / "spool") == []


@pytest.fixture
def short_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up on a locked catalog quickly."""
    monkeypatch.setattr(schema, "LOCK_WAIT_SECONDS", 0.2)


async def lock_while(
    sandbox: Sandbox, path: Path, asking: asyncio.Task[ImageResult]
) -> CatalogError:
    """Lock the catalog from the moment the image is being made until the end."""
    while not sandbox.ledger.generations:
        await asyncio.sleep(0.01)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(CatalogError) as caught:
            await asking
        other.execute("ROLLBACK")
    return caught.value


@pytest.mark.usefixtures("short_wait")
@pytest.mark.parametrize("way", ["recover", "rebuild", "ask again"])
async def test_a_catalog_that_fails_after_the_answer_loses_nothing(
    make_stills: Make, sandbox: Sandbox, tmp_path: Path, way: str
):
    """The store has the image, the error says where and what to run, and a retry is free."""
    stills = await make_stills()
    sandbox.set_faults(Fault(FaultKind.SLOW, delay_seconds=0.5))
    asking = asyncio.create_task(stills.generate(KITE))
    error = await lock_while(sandbox, tmp_path / "stills.db", asking)
    assert error.billing is Billing.BILLED
    assert "is locked by another process" in error.message
    assert "safe at file://" in error.message
    assert "stills recover" in error.action
    assert [name for name in files(tmp_path / "images") if "/" not in name] != []

    later = await make_stills()
    while (
        not await later._ports.catalog.list_unfinished()
    ):  # the claim is given back a little later
        await asyncio.sleep(0.02)
    if way == "recover":
        assert ends(await later.recover()) == [(True, "")]
    if way == "rebuild":
        aside, outcomes = await later.rebuild()
        assert (aside, ends(outcomes)) == (None, [(True, "")])
    listed = await later.images.list()
    assert [str(image.rendition.size) for image in listed] == ["1328*1328"] * (way != "ask again")
    await kept_free(later, sandbox)
    assert await later.recover() == []
    line = (await later.spend())[0]
    assert (line.billed, line.possible) == (1, 0)


@pytest.mark.usefixtures("short_wait")
async def test_a_catalog_and_a_store_that_both_fail_leave_the_image_in_the_spool(
    make_stills: Make, sandbox: Sandbox, tmp_path: Path
):
    """`stills recover` finds it there by its sidecar."""
    stills = await make_stills(store=refusing(tmp_path, "images"))
    sandbox.set_faults(Fault(FaultKind.SLOW, delay_seconds=0.5))
    asking = asyncio.create_task(stills.generate(KITE))
    error = await lock_while(sandbox, tmp_path / "stills.db", asking)
    assert "spool" in error.message
    assert "`stills recover`" in error.action
    await stills.close()
    execute(tmp_path / "stills.db", "UPDATE claims SET lease_until = 0")

    mended = await make_stills()
    assert ends(await mended.recover()) == [(True, "")]
    assert files(tmp_path / "spool") == []
    assert len(await mended.images.list()) == 1
    await kept_free(mended, sandbox)


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


# The ledger


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
    (outcome,) = await stills.recover()
    assert (outcome.generation_id, outcome.kept) == (result.id.partition("-")[0], True)
    assert await bills(stills) == (1, 0)
    assert await stills.recover() == []


# Rebuild


async def fill(stills: Stills) -> list[ImageResult]:
    """Pay for three images, one of them in two sizes, one with a note."""
    asked = [
        KITE,
        replace(KITE, size="300*300"),
        replace(KITE, size="1328*1328", prompt="a blue kite", style=None, seed=None),
        replace(KITE, prompt="a green kite. It flies.", negative_prompt="blurry"),
    ]
    return [await stills.generate(request) for request in asked]


def facts_of(listed: Sequence[object]) -> list[object]:
    return sorted(((image.rendition, image.generation) for image in listed), key=str)


async def test_a_new_catalog_is_rebuilt_from_the_store(
    make_stills: Make, sandbox: Sandbox, tmp_path: Path
):
    """Prompt, style, seed, size, cost, notes, renditions; every request is then free."""
    stills = await make_stills()
    sandbox.set_faults(Fault(FaultKind.NO_IMAGE, match="green"))
    before = await fill(stills)
    listed, spent = facts_of(await stills.images.list()), await stills.spend(by=SpendBy.STYLE)
    await stills.close()
    (tmp_path / "stills.db").rename(tmp_path / "lost.db")

    again = await make_stills()
    aside, outcomes = await again.rebuild()
    assert (aside, ends(outcomes)) == (None, [(True, "")] * 3)
    rebuilt = facts_of(await again.images.list())
    assert [one for one in listed if one not in rebuilt] == []
    assert [(line.group, line.billed_usd) for line in await again.spend(by=SpendBy.STYLE)] == [
        (line.group, line.billed_usd) for line in spent
    ]
    requests = [KITE, replace(KITE, size="300*300")]
    assert [await again.generate(one) for one in requests] == [
        replace(one, cached=True, cost_usd=0.0) for one in before[:2]
    ]
    assert (
        before[3].notes
        == (
            await again.generate(
                replace(KITE, prompt="a green kite. It flies.", negative_prompt="blurry")
            )
        ).notes
    )
    assert sandbox.ledger.billed_images == 3
    assert (await again.images.verify()).findings == ()


async def test_rebuilding_a_healthy_catalog_changes_nothing(
    stills: Stills, sandbox: Sandbox, tmp_path: Path
):
    """All rows stay the same."""
    await fill(stills)

    def dump() -> list[str]:
        with closing(sqlite3.connect(tmp_path / "stills.db")) as connection:
            return list(connection.iterdump())

    before, store = dump(), files(tmp_path / "images")
    assert await stills.rebuild() == (None, [])
    assert dump() == before
    assert files(tmp_path / "images") == store
    assert sandbox.ledger.billed_images == 3


def move_away(store: Path) -> None:
    store.rename(store.with_name("away"))


def empty(store: Path) -> None:
    move_away(store)
    store.mkdir()


def spoil_every_sidecar(store: Path) -> None:
    for path in (store / "facts").iterdir():
        path.write_bytes(b"[]")


@pytest.mark.parametrize("make_unavailable", [move_away, empty, spoil_every_sidecar])
@pytest.mark.parametrize("damaged", [False, True], ids=["sound", "damaged"])
async def test_rebuild_without_a_store_leaves_the_catalog_as_it_is(
    make_stills: Make, tmp_path: Path, make_unavailable: Callable[[Path], None], *, damaged: bool
):
    """An unmounted disk must not cost the only record of paid images."""
    stills = await make_stills()
    await stills.generate(KITE)
    await stills.close()
    catalog = tmp_path / "stills.db"
    if damaged:
        catalog.write_bytes(b"\xa5" * 4096)
    before = catalog.read_bytes()
    make_unavailable(tmp_path / "images")

    again = await make_stills()
    with pytest.raises(StoreRefused, match="the catalog is unchanged") as caught:
        await again.rebuild()
    assert "STILLS_STORE" in caught.value.action
    await again.close()
    assert catalog.read_bytes() == before
    assert list(tmp_path.glob("stills.db.damaged-*")) == []


async def test_rebuild_continues_after_an_unreadable_sidecar(make_stills: Make, tmp_path: Path):
    """It is reported with the reason, and all other images are added."""
    stills = await make_stills()
    lost = (await stills.generate(KITE)).id.partition("-")[0]
    sound = (await stills.generate(replace(KITE, seed=2))).id.partition("-")[0]
    await stills.close()
    (tmp_path / "stills.db").unlink()

    disk = BadSector(tmp_path / "images", f"facts/{lost}.json")
    again = await make_stills(store=disk)
    _, outcomes = await again.rebuild()
    assert [(one.generation_id, one.kept, one.reason) for one in outcomes] == [
        (sound, True, ""),
        (lost, False, "a bad sector"),
    ]


async def test_rebuild_skips_images_that_are_not_intact(make_stills: Make, tmp_path: Path):
    """A missing, a damaged and a swapped image are reported with the reason."""
    stills = await make_stills()
    results = [await stills.generate(replace(KITE, size="1328*1328", seed=n)) for n in range(4)]
    missing, damaged, exchanged, sound = map(file_of, results)
    await stills.close()
    missing.unlink()
    data = bytearray(damaged.read_bytes())
    data[len(data) // 2] ^= 1
    damaged.write_bytes(data)
    exchanged.write_bytes(sound.read_bytes())
    (tmp_path / "stills.db").unlink()

    again = await make_stills()
    _, outcomes = await again.rebuild()
    reasons = {outcome.generation_id: outcome.reason for outcome in outcomes}
    ids = [result.id.partition("-")[0] for result in results]
    assert "not in" in reasons[ids[0]]
    assert "damaged" in reasons[ids[1]]
    assert reasons[ids[2]] == "the image does not match its sidecar"
    assert reasons[ids[3]] == ""
    assert [image.generation.id for image in await again.images.list()] == [ids[3]]


HOSTILE = {
    "no JSON": lambda _: b"\x89PNG",
    "empty": lambda _: b"",
    "a list": lambda _: b"[1, 2, 3]",
    "deep": lambda _: b"[" * 200_000,
    "huge": lambda facts: facts | {"notes": ["x" * 1000] * 20_000, "id": "../../etc"},
    "traversal": lambda facts: facts | {"path": "../../../../../../../etc/passwd"},
    "traversal to a PNG": lambda facts: facts | {"path": f"../secret-{facts['id']}.png"},
    "absolute": lambda facts: facts | {"path": "/etc/passwd"},
    "path of a device": lambda facts: facts | {"path": "CON:"},
    "another's id": lambda facts: facts | {"id": "ffffffffffff"},
    "id of a path": lambda facts: facts | {"id": "../../x"},
    "wrong types": lambda facts: facts | {"id": 5, "path": None, "draft": []},
    "no draft": lambda facts: {name: facts[name] for name in facts if name != "draft"},
    "endless time": lambda facts: facts | {"created_at": float("inf")},
    "no time": lambda facts: facts | {"created_at": float("nan")},
    "half a pair": lambda facts: facts | {"draft": facts["draft"] | {"prompt": "\ud800"}},
    "large seed": lambda facts: facts | {"draft": facts["draft"] | {"seed": 10**30}},
    "no size": lambda facts: facts | {"draft": facts["draft"] | {"native_size": [0, 0]}},
    "newer version": lambda facts: facts | {"version": 2},
}


@pytest.mark.parametrize("kind", HOSTILE)
async def test_hostile_sidecars_are_skipped(
    make_stills: Make, sandbox: Sandbox, tmp_path: Path, kind: str
):
    """All other images are added, and no file outside is touched."""
    stills = await make_stills()
    victim = await stills.generate(replace(KITE, prompt="the victim"))
    await stills.generate(KITE)
    await stills.close()
    path = tmp_path / "images" / "facts" / f"{victim.id.partition('-')[0]}.json"
    facts = json.loads(path.read_text())
    (tmp_path / f"secret-{facts['id']}.png").write_bytes(file_of(victim).read_bytes())
    hostile = HOSTILE[kind](facts)
    path.write_bytes(hostile if isinstance(hostile, bytes) else json.dumps(hostile).encode())
    (tmp_path / "stills.db").unlink()
    before = files(tmp_path)

    again = await make_stills()
    aside, outcomes = await again.rebuild()
    assert (aside, ends(outcomes)) == (None, [(True, "")])
    assert await again.rebuild() == (None, [])
    assert await again.recover() == []
    await kept_free_besides(again, sandbox)
    await again.close()
    assert [name for name in files(tmp_path) if not name.startswith("stills.db")] == before


async def kept_free_besides(stills: Stills, sandbox: Sandbox) -> None:
    assert (await stills.generate(KITE)).cached
    assert sandbox.ledger.billed_images == 2
