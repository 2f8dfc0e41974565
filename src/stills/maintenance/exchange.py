"""Folders that carry images from one catalog to another, in the layout of a store."""

import asyncio
import os
from pathlib import Path

from stills.contract.atomic_file import replace_atomically
from stills.contract.errors import OutputRefused
from stills.contract.generation import Image, Inspection
from stills.pipeline.object_names import object_path
from stills.pipeline.ports import Ports
from stills.pipeline.render import native_rendition, read_native
from stills.pipeline.sidecar import read_sidecar, sidecar_path, write_sidecar


async def export_image(ports: Ports, image: Image, data: bytes, folder: Path) -> Path:
    """Write an image, the one it was scaled from, and its sidecar; returns the image's file.

    Files that are there already stay. The sidecar goes last, so that an export that was stopped
    leaves none without its image.

    Raises:
        OutputRefused: a file can't be written, or another one has its name.
        ImageMissing: the image is missing from the store, or damaged.
    """
    generation, rendition = image.generation, image.rendition
    native = native_rendition(generation)
    name = object_path(generation.spec, generation.id, native.size)
    inspection = Inspection(native.size, native.sha256, native.byte_count)
    files = {name: await read_native(ports, generation)}
    exported = object_path(generation.spec, generation.id, rendition.size)
    files.setdefault(exported, data)
    sidecar = write_sidecar(generation, inspection, path=name)
    await asyncio.to_thread(_write, folder, files, sidecar_path(generation.id), sidecar)
    return file_in(folder, exported)


def file_in(folder: Path, name: str) -> Path:
    """Return a file of a folder; its name on disk is UTF-8 in every locale."""
    return folder / os.fsdecode(name.encode())


def _write(folder: Path, files: dict[str, bytes], sidecar_name: str, sidecar: bytes) -> None:
    for name, data in files.items():
        _write_new(file_in(folder, name), data)
    path = folder / sidecar_name
    if not _is_of_same_image(path, sidecar):
        _write_new(path, sidecar)


def _write_new(path: Path, data: bytes) -> None:
    if path.exists():
        if path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data:
            return
        raise OutputRefused(
            f"{path} is another file, so it was not replaced",
            action="Export to another folder, or move the file away.",
        )
    with replace_atomically(path) as part:
        part.write_bytes(data)


def _is_of_same_image(path: Path, sidecar: bytes) -> bool:
    """Return whether the sidecar at a path describes the same image; its notes may be older."""
    if not path.is_file():
        return False
    there, ours = read_sidecar(path.read_bytes()), read_sidecar(sidecar)
    return there is not None and ours is not None and there.sha256 == ours.sha256
