"""Rebuild: a lost catalog gets the images of its store back."""

import json
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.bad_sector import BadSector
from tests.support.recovery import KITE, Make, ends, files
from tests.support.stored_file import dimensions, file_of

from stills.app import Stills
from stills.contract.errors import (
    StoreRefused,
)
from stills.contract.result import ImageResult
from stills.contract.spending import SpendBy
from stills.pipeline.store_marker import MARKER
from stills.sandbox import Fault, FaultKind, Sandbox


def id_of(result: ImageResult) -> str:
    return result.id.partition("-")[0]


def files_without_catalog(folder: Path) -> list[str]:
    return [name for name in files(folder) if not name.startswith("stills.db")]


async def fill(stills: Stills) -> list[ImageResult]:
    """Pay for three images, one of them in two sizes, one with a note."""
    asked = [
        KITE,
        replace(KITE, size="300*300"),
        replace(KITE, size="1328*1328", prompt="a blue kite", style=None, seed=None),
        replace(KITE, prompt="a green kite. It flies.", negative_prompt="blurry"),
    ]
    return [await stills.generate(request) for request in asked]


def records_of(listed: Sequence[object]) -> list[object]:
    return sorted(((image.rendition, image.generation) for image in listed), key=str)


async def test_a_new_catalog_is_rebuilt_from_the_store(
    make_stills: Make, sandbox: Sandbox, tmp_path: Path
):
    """Prompt, style, seed, size, cost, notes, renditions; every request is then free."""
    stills = await make_stills()
    sandbox.set_faults(Fault(FaultKind.NO_IMAGE, match="green"))
    before = await fill(stills)
    listed, spent = records_of(await stills.images.list()), await stills.spend(by=SpendBy.STYLE)
    await stills.close()
    (tmp_path / "stills.db").rename(tmp_path / "lost.db")

    again = await make_stills()
    aside, outcomes = await again.maintenance.rebuild()
    assert (aside, ends(outcomes)) == (None, [(True, "")] * 3)
    rebuilt = records_of(await again.images.list())
    assert [one for one in listed if one not in rebuilt] == []
    assert [(line.group, line.billed_usd) for line in await again.spend(by=SpendBy.STYLE)] == [
        (line.group, line.billed_usd) for line in spent
    ]
    requests = [KITE, replace(KITE, size="300*300")]
    assert [await again.generate(one) for one in requests] == [
        # Only a result that was paid for says that the model is retired.
        replace(one, cached=True, cost_usd=0.0, notes=one.notes[:1])
        for one in before[:2]
    ]
    green = replace(KITE, prompt="a green kite. It flies.", negative_prompt="blurry")
    assert (await again.generate(green)).notes == before[3].notes[:2]
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
    assert await stills.maintenance.rebuild() == (None, [])
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
        await again.maintenance.rebuild()
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
    _, outcomes = await again.maintenance.rebuild()
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
    _, outcomes = await again.maintenance.rebuild()
    reasons = {outcome.generation_id: outcome.reason for outcome in outcomes}
    ids = [result.id.partition("-")[0] for result in results]
    assert "not in" in reasons[ids[0]]
    assert "damaged" in reasons[ids[1]]
    assert reasons[ids[2]] == "the image does not match its sidecar"
    assert reasons[ids[3]] == ""
    assert [image.generation.id for image in await again.images.list()] == [ids[3]]


async def test_rebuild_ignores_files_that_are_no_images_of_ours(make_stills: Make, tmp_path: Path):
    """Such as a note that someone left in the folder."""
    stills = await make_stills()
    await stills.generate(KITE)
    await stills.close()
    (tmp_path / "stills.db").unlink()
    (tmp_path / "images" / "README.txt").write_text("our kites")
    _, outcomes = await (await make_stills()).maintenance.rebuild()
    assert ends(outcomes) == [(True, "")]


async def test_rebuild_adds_no_image_under_a_wrong_size(make_stills: Make, tmp_path: Path):
    """A request for that size would be answered with it; it is rendered from the paid image."""
    stills = await make_stills()
    await stills.generate(replace(KITE, size="300*300"))
    await stills.close()
    (tmp_path / "stills.db").unlink()
    small, large = sorted((tmp_path / "images").rglob("*.png"), key=lambda one: one.stat().st_size)
    small.write_bytes(large.read_bytes())
    again = await make_stills()
    await again.maintenance.rebuild()
    result = await again.generate(replace(KITE, size="300*300"))
    assert dimensions(file_of(result)) == (300, 300)


async def lose_the_catalog(stills: Stills, folder: Path) -> None:
    await stills.close()
    (folder / "stills.db").unlink()


async def test_after_a_rebuild_the_newest_image_answers_its_request(
    make_stills: Make, tmp_path: Path
):
    """By the time in its sidecar, because ids are random."""
    stills = await make_stills()
    ids = sorted([id_of(await stills.generate(KITE, fresh=True)) for _ in range(3)])
    await lose_the_catalog(stills, tmp_path)
    for age, generation_id in enumerate(ids):
        path = tmp_path / "images" / "facts" / f"{generation_id}.json"
        path.write_text(
            json.dumps(json.loads(path.read_text()) | {"created_at": 1_800_000_000.000001 - age})
        )
    again = await make_stills()
    await again.maintenance.rebuild()
    assert id_of(await again.generate(KITE)) == ids[0]


async def test_rebuild_reports_each_image_and_how_many_are_read(make_stills: Make, tmp_path: Path):
    """A list of millions of outcomes is not collected if the caller takes them one by one."""
    stills = await make_stills()
    lost, *_ = [await stills.generate(replace(KITE, seed=seed)) for seed in range(3)]
    await lose_the_catalog(stills, tmp_path)
    next((tmp_path / "images").glob(f"*-1328x1328-*{id_of(lost)}.png")).unlink()
    told: list[bool] = []
    counted: list[int] = []
    again = await make_stills()
    assert await again.maintenance.rebuild(
        on_outcome=lambda one: told.append(one.kept), on_progress=counted.append
    ) == (
        None,
        [],
    )
    assert sorted(told) == [False, True, True]
    assert counted == [1, 2, 3]


async def test_a_rendition_of_a_lost_image_is_not_added(make_stills: Make, tmp_path: Path):
    """The image that was paid for is missing, so a request for it pays for a new one."""
    stills = await make_stills()
    await stills.generate(replace(KITE, size="300*300"))
    await lose_the_catalog(stills, tmp_path)
    _, large = sorted((tmp_path / "images").glob("*.png"), key=lambda one: one.stat().st_size)
    large.unlink()
    again = await make_stills()
    await again.maintenance.rebuild()
    assert await again.images.list() == []


async def test_a_rendition_that_can_not_be_read_is_made_again(make_stills: Make, tmp_path: Path):
    """The image that was paid for is there, and so are all others."""
    stills = await make_stills()
    small = await stills.generate(replace(KITE, size="300*300"))
    await lose_the_catalog(stills, tmp_path)
    again = await make_stills(store=BadSector(tmp_path / "images", file_of(small).name))
    _, outcomes = await again.maintenance.rebuild()
    assert ends(outcomes) == [(True, "")]
    made = await again.generate(replace(KITE, size="300*300"))
    assert (made.cached, dimensions(file_of(made))) == (True, (300, 300))


async def test_an_image_is_listed_in_its_own_size_only(make_stills: Make, tmp_path: Path):
    """A request for the size in a wrong sidecar would be answered with it."""
    stills = await make_stills()
    await stills.generate(replace(KITE, size="1328*1328"))
    await lose_the_catalog(stills, tmp_path)
    (path,) = (tmp_path / "images" / "facts").iterdir()
    sidecar = json.loads(path.read_text())
    sidecar["draft"]["native_size"] = [1000, 1000]
    path.write_text(json.dumps(sidecar))
    again = await make_stills()
    await again.maintenance.rebuild()
    assert await again.images.list() == []


async def test_a_sidecar_that_changes_during_a_rebuild_is_reported(
    make_stills: Make, tmp_path: Path
):
    """It may belong to another image now, whose spec is not that of this file."""
    stills = await make_stills()
    changed, other = [id_of(await stills.generate(replace(KITE, seed=seed))) for seed in (1, 2)]
    await lose_the_catalog(stills, tmp_path)

    class Rewritten(BadSector):
        reads = 0

        async def get(self, path: str) -> bytes:
            if path == f"facts/{changed}.json":
                self.reads += 1
                if self.reads == 2:
                    path = f"facts/{other}.json"
            return await super().get(path)

    again = await make_stills(store=Rewritten(tmp_path / "images", ""))
    _, outcomes = await again.maintenance.rebuild()
    assert {one.generation_id: (one.kept, one.reason) for one in outcomes} == {
        changed: (False, "its sidecar changed meanwhile"),
        other: (True, ""),
    }


async def test_a_catalog_is_rebuilt_from_a_store_that_can_not_be_written(
    make_stills: Make, tmp_path: Path
):
    """Such as a backup: it is enough that it can be read."""
    stills = await make_stills()
    await stills.generate(KITE)
    await lose_the_catalog(stills, tmp_path)
    (tmp_path / "images" / MARKER).unlink()

    class ReadOnly(BadSector):
        async def put(self, *_: object, **__: object) -> None:
            raise StoreRefused("read-only")

    again = await make_stills(store=ReadOnly(tmp_path / "images", ""))
    _, outcomes = await again.maintenance.rebuild()
    assert ends(outcomes) == [(True, "")]


async def test_a_spooled_sidecar_that_can_not_be_read_is_reported(
    make_stills: Make, tmp_path: Path
):
    """All other images are added."""
    stills = await make_stills()
    await stills.generate(KITE)
    await stills.close()
    (tmp_path / "spool" / "facts").mkdir(parents=True)
    (tmp_path / "spool" / "facts" / "0123456789ab.json").write_text("{}")
    spool = BadSector(tmp_path / "spool", "facts/0123456789ab.json")
    (tmp_path / "stills.db").unlink()
    again = await make_stills(spool=spool)
    _, outcomes = await again.maintenance.rebuild()
    assert ends(outcomes) == [(True, ""), (False, "a bad sector")]


HOSTILE = {
    "no JSON": lambda _: b"\x89PNG",
    "empty": lambda _: b"",
    "a list": lambda _: b"[1, 2, 3]",
    "deep": lambda _: b"[" * 200_000,
    "huge": lambda sidecar: sidecar | {"notes": ["x" * 1000] * 20_000, "id": "../../etc"},
    "traversal": lambda sidecar: sidecar | {"path": "../../../../../../../etc/passwd"},
    "traversal to a PNG": lambda sidecar: sidecar | {"path": f"../secret-{sidecar['id']}.png"},
    "absolute": lambda sidecar: sidecar | {"path": "/etc/passwd"},
    "path of a device": lambda sidecar: sidecar | {"path": "CON:"},
    "another's id": lambda sidecar: sidecar | {"id": "ffffffffffff"},
    "id of a path": lambda sidecar: sidecar | {"id": "../../x"},
    "wrong types": lambda sidecar: sidecar | {"id": 5, "path": None, "draft": []},
    "no draft": lambda sidecar: {name: sidecar[name] for name in sidecar if name != "draft"},
    "endless time": lambda sidecar: sidecar | {"created_at": float("inf")},
    "no time": lambda sidecar: sidecar | {"created_at": float("nan")},
    "half a pair": lambda sidecar: sidecar | {"draft": sidecar["draft"] | {"prompt": "\ud800"}},
    "large seed": lambda sidecar: sidecar | {"draft": sidecar["draft"] | {"seed": 10**30}},
    "no size": lambda sidecar: sidecar | {"draft": sidecar["draft"] | {"native_size": [0, 0]}},
    "newer version": lambda sidecar: sidecar | {"version": 2},
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
    sidecar = json.loads(path.read_text())
    (tmp_path / f"secret-{sidecar['id']}.png").write_bytes(file_of(victim).read_bytes())
    hostile = HOSTILE[kind](sidecar)
    path.write_bytes(hostile if isinstance(hostile, bytes) else json.dumps(hostile).encode())
    (tmp_path / "stills.db").unlink()
    before = files_without_catalog(tmp_path)

    again = await make_stills()
    aside, outcomes = await again.maintenance.rebuild()
    assert (aside, ends(outcomes)) == (None, [(True, "")])
    assert await again.maintenance.rebuild() == (None, [])
    assert await again.maintenance.recover() == []
    await others_stay_free(again, sandbox)
    await again.close()
    assert files_without_catalog(tmp_path) == before


async def others_stay_free(stills: Stills, sandbox: Sandbox) -> None:
    assert (await stills.generate(KITE)).cached
    assert sandbox.ledger.billed_images == 2
