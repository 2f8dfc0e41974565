"""The port Store on a local folder, using only the standard library.

Files are addressed by bytes: the folder's path as the system spells it, and object paths in UTF-8
under any locale, so that every process that can reach a store can read it.
"""

import asyncio
import os
import re
import secrets
import stat
import time
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from urllib.parse import quote

from stills.contract.errors import ImageMissing, StoreRefused
from stills.contract.generation import Chunks
from stills.store.object_path import check_object_path

# A file is staged under such a name, which no object can have, and then renamed. Only a killed
# process leaves one behind. Older versions, through obstore, staged `a.png` as `a.png#1`.
_STAGED = re.compile(rb".+\.(png|json)#\d+")
_STAGED_MAX_AGE_SECONDS = 3600.0

_PAGE = 1000
_ABSENT = (FileNotFoundError, NotADirectoryError)


class FolderStore:
    """Implements the ports Store and LocalFiles on an absolute folder path."""

    def __init__(self, root: Path) -> None:
        self._root = root
        try:
            self._root_bytes = os.fsencode(root)
        except UnicodeEncodeError:
            raise ValueError(
                f"{str(root)!r} can't be spelled in this locale: use a UTF-8 locale, such as "
                "LC_ALL=C.UTF-8"
            ) from None
        self._is_tidy = False

    def __repr__(self) -> str:
        return f"FolderStore({str(self._root)!r})"

    async def ready(self) -> None:
        """Do nothing: each call opens what it needs."""

    async def put(
        self, path: str, data: bytes | Chunks, *, preceded_by: tuple[str, bytes] | None = None
    ) -> None:
        check_object_path(path)
        if preceded_by is not None:
            check_object_path(preceded_by[0])
        with self._translated("write", path):
            # One call to a thread for the complete write, instead of one per step.
            await asyncio.to_thread(self._put, path, data, preceded_by)

    async def get(self, path: str) -> bytes:
        check_object_path(path)
        with self._translated("read", path):
            return await asyncio.to_thread(self._get, path)

    async def exists(self, path: str, *, byte_count: int | None = None) -> bool:
        check_object_path(path)
        with self._translated("look for", path):
            return not await asyncio.to_thread(self._missing, {path: byte_count})

    async def missing(self, byte_counts: Mapping[str, int]) -> AbstractSet[str]:
        for path in byte_counts:
            check_object_path(path)
        with self._translated("look for", "images"):
            return await asyncio.to_thread(self._missing, byte_counts)

    async def delete(self, path: str) -> None:
        check_object_path(path)
        with self._translated("remove", path):
            await asyncio.to_thread(self._delete, path)

    async def paths(self, folder: str) -> Sequence[str]:
        return sorted([path async for page in self.pages(folder) for path in page])

    async def pages(self, folder: str) -> AsyncGenerator[Sequence[str]]:
        if folder:
            check_object_path(folder)
        with self._translated("list", folder):
            entries = await asyncio.to_thread(self._scan, folder)
        if entries is None:
            return
        with entries:
            while True:
                with self._translated("list", folder):
                    names = await asyncio.to_thread(_read_page, entries)
                if names is None:
                    return
                yield [f"{folder}/{name}" if folder else name for name in names]

    def url(self, path: str) -> str:
        check_object_path(path)
        return f"{self._root.as_uri().rstrip('/')}/{quote(path)}"

    async def links(self, paths: Sequence[str]) -> Sequence[str]:
        return [self.url(path) for path in paths]

    def name_of_file(self, file: Path) -> str | None:
        root = self._root.resolve()
        if root not in file.parents:
            return None
        return os.fsencode(file.relative_to(root).as_posix()).decode(errors="surrogateescape")

    async def close(self) -> None:
        """Do nothing: no file stays open."""

    def _file(self, path: str) -> bytes:
        return os.path.join(self._root_bytes, *path.encode().split(b"/"))  # noqa: PTH118 - bytes

    def _put(self, path: str, data: bytes | Chunks, preceded_by: tuple[str, bytes] | None) -> None:
        self._tidy_once()
        if preceded_by is not None:
            _write(self._file(preceded_by[0]), [preceded_by[1]], sync=False)
        _write(self._file(path), [data] if isinstance(data, bytes) else data, sync=True)

    def _get(self, path: str) -> bytes:
        try:
            with open(self._file(path), "rb") as file:  # noqa: PTH123 - bytes
                return file.read()
        except _ABSENT:
            self._check_there()
            raise ImageMissing(f"{path} is not in {self._root}") from None

    def _missing(self, byte_counts: Mapping[str, int | None]) -> set[str]:
        self._check_there()
        return {
            path for path, count in byte_counts.items() if not _is_file(self._file(path), count)
        }

    def _delete(self, path: str) -> None:
        try:
            os.unlink(self._file(path))  # noqa: PTH108 - bytes
        except _ABSENT:
            self._check_there()

    def _scan(self, folder: str) -> "os._ScandirIterator[bytes] | None":
        if not self._root.exists():  # nothing was stored yet
            return None
        self._check_there()
        try:
            return os.scandir(self._file(folder))
        except _ABSENT:
            return None

    def _check_there(self) -> None:
        """Check that the folder exists, because without it every object seems to be missing.

        Raises:
            StoreRefused: the folder is missing.
        """
        if not self._root.is_dir():
            raise StoreRefused(
                f"the store's folder {self._root} is missing",
                action=f"Mount the disk or restore {self._root}, then retry.",
            )

    def _tidy_once(self) -> None:
        if not self._is_tidy:
            self._is_tidy = True
            _remove_stale_staged(self._root_bytes)

    @contextmanager
    def _translated(self, verb: str, path: str) -> Iterator[None]:
        """Translate the system's errors to StoreRefused."""
        try:
            yield
        except OSError as error:
            raise StoreRefused(
                f"could not {verb} {path} in {self._root}: {error.strerror or error}",
                action=f"Free up space in {self._root} or fix its permissions, then retry.",
            ) from error


def _read_page(entries: Iterator[os.DirEntry[bytes]]) -> list[str] | None:
    """Return the names of some files; None at the end."""
    page = list(islice(entries, _PAGE))
    if not page:
        return None
    return [
        entry.name.decode(errors="surrogateescape")
        for entry in page
        if entry.is_file() and _STAGED.fullmatch(entry.name) is None
    ]


def _is_file(file: bytes, byte_count: int | None) -> bool:
    try:
        found = os.stat(file)  # noqa: PTH116 - bytes
    except _ABSENT:
        return False
    return stat.S_ISREG(found.st_mode) and (byte_count is None or byte_count == found.st_size)


def _write(target: bytes, chunks: Chunks, *, sync: bool) -> None:
    """Write a file under a temporary name, then rename it to `target`."""
    folder = os.path.dirname(target)  # noqa: PTH120 - bytes
    _make_folder(folder)
    # Short, because the target's name may have the maximum length.
    staged = os.path.join(folder, b"%s.png#1" % secrets.token_hex(8).encode())  # noqa: PTH118
    try:
        with open(staged, "xb") as file:  # noqa: PTH123 - bytes
            file.writelines(chunks)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        os.replace(staged, target)  # noqa: PTH105 - bytes
    except BaseException:
        with suppress(OSError):
            os.unlink(staged)  # noqa: PTH108 - bytes
        raise
    if sync:
        _sync_folder(folder)


def _make_folder(folder: bytes) -> None:
    """Make a folder and its parents, each synced before anything is written into it."""
    if os.path.isdir(folder):  # noqa: PTH112 - bytes
        return
    above = os.path.dirname(folder)  # noqa: PTH120 - bytes
    if above != folder:
        _make_folder(above)
    with suppress(FileExistsError):  # made by another process, or a file, which fails later
        os.mkdir(folder)  # noqa: PTH102 - bytes
    _sync_folder(above)


def _sync_folder(folder: bytes) -> None:
    """Sync the names in a folder to disk, so that a power cut doesn't lose a paid image."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_stale_staged(root: bytes) -> None:
    oldest = time.time() - _STAGED_MAX_AGE_SECONDS
    for folder, _, names in os.walk(root):
        for name in names:
            file = os.path.join(folder, name)  # noqa: PTH118 - bytes
            with suppress(OSError):  # failing to tidy up must not prevent a write
                if _STAGED.fullmatch(name) and os.lstat(file).st_mtime < oldest:
                    os.unlink(file)  # noqa: PTH108 - bytes
