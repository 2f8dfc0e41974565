"""Export: copy a stored image to the caller's file, atomically, in the format of its name."""

import asyncio
import stat
from contextlib import suppress
from pathlib import Path

from stills.contract.atomic_file import check_replaceable, check_writable, part_file
from stills.contract.errors import OutputRefused
from stills.contract.generation import Image
from stills.contract.image_kinds import ImageKind
from stills.contract.ports.local_files import find_own_name
from stills.pipeline.object_names import read_object_path
from stills.pipeline.ports import Ports
from stills.pipeline.sidecar import SIDECAR_FOLDER
from stills.pipeline.store_marker import MARKER

QUALITY = 95
"""Of JPEG and WebP files, in percent: no difference that a person sees."""

_KINDS = {".jpg": ImageKind.JPEG, ".jpeg": ImageKind.JPEG, ".webp": ImageKind.WEBP}
_UNWRITTEN = frozenset({".gif", ".bmp", ".tif", ".tiff", ".avif", ".heic", ".jxl"})


def find_format(path: Path) -> ImageKind:
    """Return the format of a file by its name: PNG unless the name says JPEG or WebP."""
    return _KINDS.get(path.suffix.lower(), ImageKind.PNG)


async def check_target(ports: Ports, path: Path) -> None:
    """Check, before anything is sent, that a file can be written and is not one of ours.

    Raises:
        OutputRefused: it can't be written, is a file of the store, spool or catalog, or has the
            name of a format that Stills does not write.
    """
    if path.suffix.lower() in _UNWRITTEN:
        raise OutputRefused(
            f"{path} can't be written: Stills writes PNG, JPEG and WebP",
            action="Give a name in .png, .jpg or .webp; nothing was sent.",
        )
    await asyncio.to_thread(_check_target, ports, path)


async def save(ports: Ports, image: Image, data: bytes, path: Path) -> None:
    """Copy an image to a file, replacing it unless it is one of ours.

    Raises:
        OutputRefused: the file can't be written; the image stays stored.
    """
    try:
        await asyncio.to_thread(_save, ports, path, data)
    except OSError as error:
        url = ports.store.url(image.rendition.object_path)
        raise OutputRefused(
            f"{path} can't be written ({error.strerror or error}); the image is stored at {url}"
        ) from error


def _check_target(ports: Ports, path: Path) -> None:
    ours = None
    with suppress(OSError):  # check_writable reports it
        ours = _describe_own(ports, path)
    if ours is not None:
        raise OutputRefused(f"{path} is {ours}", action="Choose another path; nothing was sent.")
    check_writable(path)


def _save(ports: Ports, path: Path, data: bytes) -> None:
    path = path.resolve()  # a symbolic link stays one
    check_replaceable(path)
    ours = _describe_own(ports, path)
    if ours is not None:
        raise PermissionError(1, f"it is {ours}")
    path.parent.mkdir(parents=True, exist_ok=True)
    _write_atomically(path, data)


def _write_atomically(path: Path, data: bytes) -> None:
    mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else None
    with part_file(path) as part, part.open("xb") as file:
        if mode is not None:  # before the file has contents
            part.chmod(mode)
        file.write(data)


def _describe_own(ports: Ports, path: Path) -> str | None:
    """Describe a file of ours; None for other files, even in the store's folder."""
    path = path.resolve()
    if find_own_name(ports.catalog, path) is not None:
        return "the catalog"
    if not path.is_file():
        return None
    if find_own_name(ports.spool, path) is not None:
        return "a file of the spool"
    name = find_own_name(ports.store, path) or ""
    if read_object_path(name) is not None:
        return "a stored image"
    if name == MARKER:
        return "the store's marker"
    return "the sidecar of a stored image" if name.startswith(f"{SIDECAR_FOLDER}/") else None
