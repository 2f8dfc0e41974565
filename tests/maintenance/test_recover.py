"""Recover and rebuild: finish paid images, and add stored images to the catalog again."""

import asyncio
import json
import os
import socket
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
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

from stills.app import Stills
from stills.catalog import SqliteCatalog
from stills.contract.errors import (
    Billing,
    LinkDead,
    StoreRefused,
)
from stills.contract.generation import Generation
from stills.contract.money import Caps
from stills.sandbox import Fault, FaultKind, Sandbox
from stills.store import open_store


async def test_recover_without_unfinished_images_does_nothing(stills: Stills, sandbox: Sandbox):
    """On a healthy catalog, and on one that was never used."""
    assert await stills.maintenance.recover() == []
    await stills.generate(KITE)
    assert await stills.maintenance.recover() == []
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
    assert ends(await broken.maintenance.recover())[0][0] is False

    repaired = await make_without_a_key(make_stills)
    assert ends(await repaired.maintenance.recover()) == [(True, "")]
    assert files(tmp_path / "spool") == []
    assert await repaired.maintenance.recover() == []
    await kept_free(await make_stills(), sandbox)


async def test_an_answer_is_downloaded_and_nothing_is_sent(stills: Stills, sandbox: Sandbox):
    """After a link failed for a while, the image is downloaded, not generated again."""
    sandbox.set_faults(Fault(FaultKind.DEAD_URL, times=None))
    with pytest.raises(LinkDead):
        await stills.generate(KITE)
    kept, reason = ends(await stills.maintenance.recover())[0]
    assert not kept
    assert "403" in reason
    sandbox.set_faults()
    assert ends(await stills.maintenance.recover()) == [(True, "")]
    assert len(await stills.images.list()) == 1
    await kept_free(stills, sandbox)


class MeetingCatalog(SqliteCatalog):
    """A catalog in which images are stored only when three of them are ready at the same time."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._together = asyncio.Barrier(3)

    async def record_kept(self, *generation: object, **kept: object) -> Generation:
        async with asyncio.timeout(60):
            await self._together.wait()
        return await super().record_kept(*generation, **kept)


async def test_several_images_are_recovered_at_once(
    make_stills: Make, sandbox: Sandbox, tmp_path: Path
):
    """A download waits more than it works."""
    stills = await make_stills(catalog=MeetingCatalog(tmp_path / "stills.db"))
    sandbox.set_faults(Fault(FaultKind.DEAD_URL, times=None))
    for seed in range(3):
        with pytest.raises(LinkDead):
            await stills.generate(replace(KITE, seed=seed))
    sandbox.set_faults()
    counted: list[int] = []
    recovered = await stills.maintenance.recover(on_progress=counted.append)
    assert ends(recovered) == [(True, "")] * 3
    assert counted == [1, 2, 3]


async def test_several_images_of_one_request_are_recovered_one_after_the_other(
    stills: Stills, sandbox: Sandbox
):
    """None of them is taken for one that another process works on."""
    sandbox.set_faults(Fault(FaultKind.DEAD_URL, times=None))
    for _ in range(3):
        with pytest.raises(LinkDead):
            await stills.generate(KITE, fresh=True)
    sandbox.set_faults()
    assert ends(await stills.maintenance.recover()) == [(True, "")] * 3
    assert sandbox.ledger.billed_images == 3


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
    assert ends(await stills.maintenance.recover()) == [(True, "")]
    await kept_free(stills, sandbox)


async def test_an_expired_link_that_fails_is_reported_as_lost(
    stills: Stills, sandbox: Sandbox, tmp_path: Path
):
    """It is not called stored; the next request pays once for a new image and notes the loss."""
    await leave_answered(stills, sandbox, tmp_path)
    lost = (False, "its link expired before it was downloaded")
    assert ends(await stills.maintenance.recover()) == [lost]
    assert sandbox.ledger.billed_images == 1

    sandbox.set_faults()
    result = await stills.generate(KITE)
    assert not result.cached
    assert any("link expired before the download" in note for note in result.notes)
    assert sandbox.ledger.billed_images == 2
    assert await stills.maintenance.recover() == []


async def test_an_expired_image_that_is_not_requested_again_is_reported_once_more(
    stills: Stills, sandbox: Sandbox, tmp_path: Path
):
    """Then it is settled: there is nothing left to recover."""
    await leave_answered(stills, sandbox, tmp_path)
    lost = (False, "its link expired before it was downloaded")
    assert ends(await stills.maintenance.recover()) == [lost]
    assert ends(await stills.maintenance.recover()) == [lost]
    assert await stills.maintenance.recover() == []


async def test_without_a_key_an_answer_waits_and_the_key_is_asked_for(
    make_stills: Make, sandbox: Sandbox
):
    """It can only be downloaded from the service that made it."""
    sandbox.set_faults(Fault(FaultKind.DEAD_URL, times=None))
    stills = await make_stills()
    with pytest.raises(LinkDead):
        await stills.generate(KITE)
    keyless = await make_without_a_key(make_stills)
    reason = "to be downloaded from sandbox: run again with its key set"
    assert ends(await keyless.maintenance.recover()) == [(False, reason)]


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

    repaired = await make_stills()
    assert ends(await repaired.maintenance.recover()) == [(True, "")]
    await kept_free(repaired, sandbox)


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
    assert ends(await stills.maintenance.recover()) == [(True, "")]
    assert await stills.maintenance.recover() == []
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
    assert await other.maintenance.recover() == []
    assert await other.images.list() == []

    stills = await make_stills()
    assert ends(await stills.maintenance.recover()) == [(True, "")]
    await kept_free(stills, sandbox)


async def test_an_image_whose_link_expired_is_not_called_kept(
    stills: Stills, sandbox: Sandbox, tmp_path: Path
):
    """The download was tried; a retry pays for a new image, and says why."""
    sandbox.set_faults(Fault(FaultKind.DEAD_URL, times=None))
    with pytest.raises(LinkDead):
        await stills.generate(KITE)
    execute(tmp_path / "stills.db", "UPDATE generations SET url_expires_at = 1")
    assert ends(await stills.maintenance.recover()) == [
        (False, "its link expired before it was downloaded")
    ]
    assert await stills.images.list() == []
    sandbox.set_faults()
    result = await stills.generate(KITE)
    assert not result.cached
    assert "An earlier image was billed" in " ".join(result.notes)
    assert await stills.maintenance.recover() == []
    assert await bills(stills) == (2, 0)


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
    assert ends(await stills.maintenance.recover()) == [(True, "")]
    assert await bills(stills) == (1, 0)
    (image,) = await stills.images.list()
    (call,) = await stills.images.list_sends(image)
    assert (call.billing, call.code) == (Billing.BILLED, "adopted")
    assert call.settled_at is not None
    assert (await stills.generate(KITE)).id == result.id
    assert await bills(stills) == (1, 0)


async def test_a_stored_image_is_not_downloaded_again(stills: Stills, tmp_path: Path):
    """The catalog failed after the answer was journalled; meanwhile the link may be dead."""
    await stills.generate(KITE)
    forget_the_answer(tmp_path / "stills.db")
    execute(
        tmp_path / "stills.db",
        "UPDATE generations SET stage = 'answered', image_url = 'https://oss.example/gone.png', "
        "url_expires_at = 1",
    )
    assert ends(await stills.maintenance.recover()) == [(True, "")]
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

    outcomes = {outcome.generation_id: outcome for outcome in await stills.maintenance.recover()}
    assert ends([outcomes[generation_id] for generation_id in ids]) == [CUT_OFF, (True, "")]
    assert await bills(stills) == (1, 1)
    assert (await stills.generate(replace(KITE, seed=2))).cached
    assert not (await stills.generate(KITE)).cached
    assert await bills(stills) == (2, 1)
    assert sandbox.ledger.billed_images == 3


async def bills(stills: Stills) -> tuple[int, int]:
    """The number of calls that were billed, and of those that may be."""
    (line,) = await stills.spend()
    return line.billed, line.possible


def move_away(store: Path) -> None:
    store.rename(store.with_name("away"))


def empty(store: Path) -> None:
    move_away(store)
    store.mkdir()


class BusyCatalog(SqliteCatalog):
    """A catalog in which another process claims each generation that is listed as unfinished."""

    async def list_unfinished(self, **page: object) -> Sequence[Generation]:
        listed = await super().list_unfinished(**page)
        for each in listed:
            size = each.spec.native_size
            await super().claim(each.spec, size, lease_seconds=30, fresh=False, caps=Caps())
        return listed


async def test_an_image_that_another_process_works_on_is_left_to_it(
    make_stills: Make, sandbox: Sandbox, tmp_path: Path
):
    """The outcome names the process."""
    sandbox.set_faults(Fault(FaultKind.DEAD_URL, times=None))
    stills = await make_stills(catalog=BusyCatalog(tmp_path / "stills.db"))
    with pytest.raises(LinkDead):
        await stills.generate(KITE)
    reason = f"process {os.getpid()} on {socket.gethostname()} is working on it"
    assert ends(await stills.maintenance.recover()) == [(False, reason)]
