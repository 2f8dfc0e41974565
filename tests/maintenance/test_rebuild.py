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
from stills.sandbox import Fault, FaultKind, Sandbox


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
