"""Import: what a stranger may have put into a folder is skipped, with the reason."""

import hashlib
import json
import os
import struct
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.support.recovery import KITE, Make

from stills.app import Stills
from stills.catalog import SqliteCatalog
from stills.contract.errors import InvalidRequest
from stills.sandbox import Fault, FaultKind, Sandbox
from stills.store import open_store


@pytest.fixture
async def elsewhere(make_stills: Make, tmp_path: Path) -> Stills:
    """Another catalog and store."""
    return await make_stills(
        catalog=SqliteCatalog(tmp_path / "elsewhere.db"),
        store=open_store(str(tmp_path / "elsewhere")),
    )


@pytest.fixture
async def parcel(stills: Stills, tmp_path: Path) -> Path:
    """A folder with one exported image."""
    result = await stills.generate(KITE)
    image = (await stills.images.show(result.id)).image
    await stills.images.export(image, tmp_path / "parcel")
    return tmp_path / "parcel"


def sidecar_of(parcel: Path) -> Path:
    (path,) = (parcel / "facts").iterdir()
    return path


def image_of(parcel: Path) -> Path:
    return parcel / json.loads(sidecar_of(parcel).read_bytes())["path"]


def edit(parcel: Path, **changes: Any) -> None:
    """Change members of the sidecar, or of the generation in it."""
    sidecar = json.loads(sidecar_of(parcel).read_bytes())
    for name, value in changes.items():
        (sidecar if name in sidecar else sidecar["draft"])[name] = value
    sidecar_of(parcel).write_text(json.dumps(sidecar))


def use_image(parcel: Path, data: bytes) -> None:
    """Put in another image, which the sidecar describes."""
    image_of(parcel).write_bytes(data)
    edit(parcel, sha256=hashlib.sha256(data).hexdigest(), byte_count=len(data))


def png(width: int, height: int, pixels: bytes) -> bytes:
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", pixels),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


def replace_by_link(parcel: Path) -> None:
    secret = parcel.with_name("secret.png")
    image_of(parcel).rename(secret)
    image_of(parcel).symlink_to(secret)


def replace_by_pipe(parcel: Path) -> None:
    image_of(parcel).unlink()
    os.mkfifo(image_of(parcel))


HOSTILE: dict[str, tuple[Callable[[Path], object], str]] = {
    "another request's key": (
        lambda parcel: edit(parcel, key="ab" * 32),
        "its keys are not those of its request",
    ),
    "another prompt": (
        lambda parcel: edit(parcel, text="a blue kite"),
        "its keys are not those of its request",
    ),
    "a prompt only for people": (
        lambda parcel: edit(parcel, prompt="a blue kite"),
        "its keys are not those of its request",
    ),
    "no prompt": (
        lambda parcel: edit(parcel, prompt=""),
        "its keys are not those of its request",
    ),
    "another image": (
        lambda parcel: image_of(parcel).write_bytes(png(8, 8, zlib.compress(bytes(8 * 25)))),
        "its image is not the one that the sidecar describes",
    ),
    "another size": (
        lambda parcel: use_image(parcel, png(8, 8, zlib.compress(bytes(8 * 25)))),
        "its image does not have the size in the sidecar",
    ),
    "a bomb": (
        lambda parcel: use_image(parcel, png(60_000, 60_000, zlib.compress(bytes(99)))),
        "its image is damaged",
    ),
    "too few pixels": (
        lambda parcel: use_image(parcel, png(1328, 1328, zlib.compress(bytes(99)))),
        "its image is damaged",
    ),
    "no image": (lambda parcel: image_of(parcel).unlink(), "can't be read: No such file"),
    "a link": (replace_by_link, "can't be read: it is a link"),
    "a pipe": (replace_by_pipe, "is not a regular file"),
    "a path outside": (lambda parcel: edit(parcel, path="../secret.png"), "not a valid sidecar"),
    "an absolute path": (lambda parcel: edit(parcel, path="/etc/passwd"), "not a valid sidecar"),
    "another id": (
        lambda parcel: sidecar_of(parcel).rename(parcel / "facts" / "0123456789ab.json"),
        "not a valid sidecar",
    ),
    "huge JSON": (
        lambda parcel: edit(parcel, prompt="x" * 2_000_000),
        "is over 1 MiB",
    ),
    "deep JSON": (
        lambda parcel: sidecar_of(parcel).write_text("[" * 100_000),
        "not a valid sidecar",
    ),
    "no JSON": (lambda parcel: sidecar_of(parcel).write_bytes(b"\xff\x00"), "not a valid sidecar"),
    "the future": (
        lambda parcel: edit(parcel, created_at=time.time() + 10**7),
        "its date is in the future",
    ),
    "another file": (
        lambda parcel: sidecar_of(parcel).rename(parcel / "facts" / "..\x1b[31m.json"),
        "it is not a sidecar",
    ),
}


@pytest.mark.parametrize("change", HOSTILE)
async def test_what_is_not_as_its_sidecar_says_is_skipped(
    parcel: Path, elsewhere: Stills, tmp_path: Path, change: str
):
    """Nothing is stored or listed, and the request is not answered."""
    spoil, reason = HOSTILE[change]
    spoil(parcel)
    done = await elsewhere.images.import_folder(parcel)
    assert (done.added, done.known) == (0, 0)
    assert reason in done.skipped[0].reason
    assert await elsewhere.images.list() == []
    assert not list((tmp_path / "elsewhere").glob("*.png"))


async def test_an_image_without_a_sidecar_is_skipped(parcel: Path, elsewhere: Stills):
    """The others are imported."""
    name = "a-kite-64x64-seed1-0123456789ab.png"
    (parcel / name).write_bytes(b"")
    (parcel / "notes.txt").touch()
    done = await elsewhere.images.import_folder(parcel)
    assert done.added == 1
    assert [(one.name, one.reason) for one in done.skipped] == [(name, "it has no sidecar")]


async def test_the_name_of_a_file_is_ours(parcel: Path, elsewhere: Stills, tmp_path: Path):
    """One from elsewhere may hide characters that show nothing."""
    name = f"\u202e{image_of(parcel).name}"
    image_of(parcel).rename(parcel / name)
    edit(parcel, path=name)
    assert (await elsewhere.images.import_folder(parcel)).added == 1
    (stored,) = (tmp_path / "elsewhere").glob("*.png")
    assert stored.name == name[1:]
    assert (await elsewhere.images.verify()).findings == ()


async def test_an_image_that_was_paid_for_here_is_not_replaced_through_its_id(
    parcel: Path, stills: Stills
):
    """A folder that has the same id with another image does not change it."""
    own = await stills.generate(KITE)
    use_image(parcel, png(1328, 1328, zlib.compress(bytes(1328 * (1328 * 3 + 1)))))
    done = await stills.images.import_folder(parcel)
    assert [one.reason for one in done.skipped] == [
        "another image here, or one in progress, has its id"
    ]
    assert (await stills.generate(KITE)).id == own.id
    assert (await stills.images.verify()).findings == ()


async def test_an_image_of_another_size_than_ordered_is_imported(
    elsewhere: Stills, sandbox: Sandbox, stills: Stills, tmp_path: Path
):
    """Its keys have the size that was ordered, as its note says."""
    sandbox.set_faults(Fault(FaultKind.WRONG_SIZE_PNG))
    result = await stills.generate(KITE)
    assert any("instead of 1328*1328" in note for note in result.notes)
    image = (await stills.images.show(result.id)).image
    await stills.images.export(image, tmp_path / "parcel")
    assert (await elsewhere.images.import_folder(tmp_path / "parcel")).added == 1


async def test_a_folder_that_is_missing_is_a_bad_request(elsewhere: Stills, tmp_path: Path):
    """And nothing is created."""
    with pytest.raises(InvalidRequest, match="can't be imported"):
        await elsewhere.images.import_folder(tmp_path / "nowhere")
