"""Import: add the images of a folder to the catalog, which then answers their requests.

The folder has the layout of a store: one that `stills export` wrote, or another catalog's store. It
may be a stranger's, so everything in it is checked before it is used.
"""

import asyncio
import errno
import os
import re
import stat
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from stills.contract.errors import DamagedImage, InvalidRequest
from stills.contract.generation import CatalogHit, Generation, Stage
from stills.contract.size import Size
from stills.contract.upkeep import Imported, OnProgress, SkippedFile
from stills.maintenance.at_once import do_several
from stills.maintenance.exchange import file_in
from stills.pipeline.object_names import object_path, read_object_path
from stills.pipeline.plan import has_own_keys
from stills.pipeline.ports import Ports
from stills.pipeline.render import native_rendition
from stills.pipeline.sidecar import SIDECAR_FOLDER, read_sidecar, sidecar_path, write_sidecar

_SIDECAR_MAX_BYTES = 1024 * 1024  # one has a few thousand
_IMAGE_MAX_BYTES = 64 * 1024 * 1024  # an image of the largest size is under 20 MiB
_TOGETHER = 4  # images in memory
_CLOCKS_DIFFER_SECONDS = 86_400.0
_SIDECAR_NAME = re.compile(r"([0-9a-f]{12})\.json", re.ASCII)
_ORDERED = re.compile(r"instead of ([1-9][0-9]{1,4})\*([1-9][0-9]{1,4})\.", re.ASCII)


async def import_folder(
    ports: Ports, folder: Path, on_progress: OnProgress = lambda _: None
) -> Imported:
    """Add every image that is intact and whose request has no image here yet.

    They are stored like our own, and the ledger has no call for them. Doing it again adds nothing.

    Raises:
        InvalidRequest: the folder can't be read, or has no sidecars.
        StorageError: the catalog or the store can't be used.
    """
    found, skipped = await asyncio.to_thread(_list_sidecars, folder)
    await ports.marker.check()
    importer = _Importer(ports, folder, frozenset(one.id for one in found), skipped)
    for some in _groups(found):
        for checked in await do_several(importer.check, some):
            if checked is not None:
                await importer.add(checked)
        on_progress(importer.finished)
    return Imported(importer.added, importer.known, tuple(importer.skipped))


@dataclass(frozen=True, slots=True)
class _Found:
    """A sidecar: the id in its name, and when its image was made, by which images are ordered."""

    id: str
    created_at: float


@dataclass(frozen=True, slots=True)
class _Checked:
    """An image that may be added, under the name that it gets here."""

    generation: Generation
    data: bytes


class _Unusable(Exception):
    """A file can't be used; the message says why."""


class _Importer:
    """Counts what becomes of each image."""

    def __init__(
        self, ports: Ports, folder: Path, ids: frozenset[str], skipped: list[SkippedFile]
    ) -> None:
        self.known = self.finished = 0
        self.skipped = skipped
        self._ports = ports
        self._folder = folder
        self._ids = ids
        self._added: set[str] = set()

    @property
    def added(self) -> int:
        """The number of images that were added."""
        return len(self._added)

    async def check(self, found: _Found) -> _Checked | None:
        """Return an image that may be added; None if it is here already, or can't be used."""
        self.finished += 1
        try:
            return await self._check(found)
        except _Unusable as unusable:
            self._skip(found.id, str(unusable))
        return None

    async def add(self, checked: _Checked) -> None:
        """Store an image and add it, unless its request was answered meanwhile."""
        generation = checked.generation
        answering = await self._find_answering(generation)
        if answering is not None:
            self._skip(generation.id, f"its request already has the image {answering} here")
            return
        native = native_rendition(generation)
        sidecar = write_sidecar(
            generation,
            await self._ports.imaging.inspect(checked.data),
            path=native.object_path,
        )
        await self._ports.store.put(
            native.object_path,
            checked.data,
            preceded_by=(sidecar_path(generation.id), sidecar),
        )
        await self._ports.catalog.adopt(generation, [native])
        self._added.add(generation.id)

    async def _check(self, found: _Found) -> _Checked | None:
        generation = await asyncio.to_thread(_read_sidecar_file, self._folder, found.id)
        if await self._is_known(generation):
            self.known += 1
            return None
        name = generation.object_path or ""
        data = await asyncio.to_thread(
            _read_file, file_in(self._folder, name), _IMAGE_MAX_BYTES, name
        )
        await self._check_image(generation, data)
        return _Checked(_as_ours(generation), data)

    async def _check_image(self, generation: Generation, data: bytes) -> None:
        try:
            inspection = await self._ports.imaging.inspect(data)
            if inspection.sha256 != generation.sha256:
                raise _Unusable("its image is not the one that the sidecar describes")
            if inspection.size != generation.spec.native_size:
                raise _Unusable("its image does not have the size in the sidecar")
            await self._ports.imaging.check_pixels(data)
        except DamagedImage as error:
            raise _Unusable(f"its image is damaged: {error.message}") from error

    async def _is_known(self, generation: Generation) -> bool:
        """Return whether the same image is stored here.

        Raises:
            _Unusable: its id stands for something else here.
        """
        ours = await self._ports.catalog.find_generation(generation.id)
        if ours is None:
            await self._check_store(generation)
            return False
        if ours.stage is Stage.KEPT and ours.sha256 == generation.sha256:
            return True
        if ours.stage is not Stage.FAILED:
            raise _Unusable("another image here, or one in progress, has its id")
        if (ours.spec.key, ours.spec.seeded_key) != (
            generation.spec.key,
            generation.spec.seeded_key,
        ):
            raise _Unusable("another request here has its id")
        return False  # it was deleted here, and comes back

    async def _check_store(self, generation: Generation) -> None:
        """Refuse to replace an image of the store that the catalog does not know."""
        path = sidecar_path(generation.id)
        if await self._ports.store.exists(path):
            there = read_sidecar(await self._ports.store.get(path))
            if there is None or there.sha256 != generation.sha256:
                raise _Unusable(
                    "the store has another image of this id, which `stills recover --rebuild` adds"
                )

    async def _find_answering(self, generation: Generation) -> str | None:
        """Return the image of this catalog that answers the request; None if there is none.

        Images that came from the folder don't count: of several for one request, the newest
        answers. One that was paid for here does, even if the folder has it too.
        """
        spec = generation.spec
        wanted = [(key, spec.native_size) for key in (spec.key, spec.seeded_key)]
        for hit in await self._ports.catalog.find_many(wanted):
            if isinstance(hit, CatalogHit) and not await self._is_of_folder(hit.generation.id):
                return hit.generation.id
        return None

    async def _is_of_folder(self, generation_id: str) -> bool:
        if generation_id in self._added:
            return True
        is_paid_here = bool(await self._ports.catalog.list_sends(generation_id))
        return generation_id in self._ids and not is_paid_here

    def _skip(self, generation_id: str, reason: str) -> None:
        self.skipped.append(SkippedFile(sidecar_path(generation_id), reason))


def _groups(found: Sequence[_Found]) -> Sequence[Sequence[_Found]]:
    """Return groups of a few, oldest first."""
    ordered = sorted(found, key=lambda one: (one.created_at, one.id))
    return [ordered[start : start + _TOGETHER] for start in range(0, len(ordered), _TOGETHER)]


def _as_ours(generation: Generation) -> Generation:
    path = object_path(generation.spec, generation.id, generation.spec.native_size)
    return replace(generation, object_path=path, is_imported=True)


def _list_sidecars(folder: Path) -> tuple[list[_Found], list[SkippedFile]]:
    """List the valid sidecars of a folder, and what can't be used. Blocks.

    Raises:
        InvalidRequest: the folder can't be read, or has no sidecars.
    """
    found: list[_Found] = []
    skipped: list[SkippedFile] = []
    try:
        names = sorted(file.name for file in (folder / SIDECAR_FOLDER).iterdir())
        files = sorted(file.name for file in folder.iterdir())
    except OSError as error:
        raise InvalidRequest(
            f"{folder} can't be imported: {folder / SIDECAR_FOLDER} can't be read "
            f"({error.strerror})",
            field="folder",
            action="Give a folder that `stills export` wrote, or the store of another catalog.",
        ) from None
    for name in names:
        named = _SIDECAR_NAME.fullmatch(name)
        if named is None:
            skipped.append(SkippedFile(f"{SIDECAR_FOLDER}/{name}", "it is not a sidecar"))
            continue
        try:
            generation = _read_sidecar_file(folder, named[1])
        except _Unusable as unusable:
            skipped.append(SkippedFile(sidecar_path(named[1]), str(unusable)))
        else:
            found.append(_Found(named[1], generation.created_at))
    ids = {one.id for one in found} | {Path(one.name).stem for one in skipped}
    for name in files:
        image = read_object_path(name)
        if image is not None and image[0] not in ids:
            skipped.append(SkippedFile(name, "it has no sidecar"))
    return found, skipped


def _read_sidecar_file(folder: Path, generation_id: str) -> Generation:
    """Read and check a sidecar. Blocks.

    Raises:
        _Unusable: it is not valid.
    """
    name = sidecar_path(generation_id)
    generation = read_sidecar(_read_file(folder / name, _SIDECAR_MAX_BYTES, name))
    if generation is None or generation.id != generation_id:
        raise _Unusable("it is not a valid sidecar")
    if generation.created_at > time.time() + _CLOCKS_DIFFER_SECONDS:
        raise _Unusable("its date is in the future")
    if not any(has_own_keys(generation.spec, size) for size in _ordered_sizes(generation)):
        raise _Unusable("its keys are not those of its request")
    return generation


def _ordered_sizes(generation: Generation) -> Sequence[Size]:
    """Return the sizes that may have been ordered: a note says so if another one was made."""
    noted = [_ORDERED.search(note) for note in generation.notes]
    sizes = [Size(int(one[1]), int(one[2])) for one in noted if one is not None]
    return [generation.spec.native_size, *sizes]


def _read_file(path: Path, most: int, name: str) -> bytes:
    """Read a regular file of at most `most` bytes, and no link. Blocks.

    Raises:
        _Unusable: it is missing, too large or another kind of file.
    """
    try:
        # Without waiting, in case it is a pipe that nobody writes to.
        opened = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(opened, "rb") as file:  # noqa: PTH123 - a descriptor
            if not stat.S_ISREG(os.fstat(opened).st_mode):
                raise _Unusable(f"{name} is not a regular file")
            data = file.read(most + 1)
    except OSError as error:
        why = "it is a link" if error.errno == errno.ELOOP else error.strerror
        raise _Unusable(f"{name} can't be read: {why}") from error
    if len(data) > most:
        raise _Unusable(f"{name} is over {most // 1024 // 1024} MiB")
    return data
