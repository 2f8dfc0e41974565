"""The port Store, through obstore: a local folder, S3 and what speaks it, GCS or Azure."""

import asyncio
import os
import re
import stat
import time
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit
from urllib.request import url2pathname

from stills.contract.errors import ImageMissing, StillsError, StoreRefused
from stills.contract.generation import Pieces

if TYPE_CHECKING:
    from obstore.store import ObjectStore as Backend

# obstore stages `a.png` as `a.png#1` and renames it; only a killed process leaves one behind.
_STAGED = re.compile(r".+\.(png|json)#\d+")
_STAGED_MAX_AGE_SECONDS = 3600.0

# Of what obstore knows, those that keep: memory ends with the process, and a web server only gives.
_SCHEMES = ("s3", "s3a", "gs", "az", "adl", "azure", "abfs", "abfss")


def open_store(location: str) -> "ObjectStore":
    """Open a folder path, a `file:///` URL, or that of a bucket, such as `s3://bucket/prefix`.

    Nothing is read or written yet. Keys and endpoints of a remote store are read by obstore from
    the variables of its own kind, such as AWS_ACCESS_KEY_ID.

    Raises:
        ValueError: it is no location, one that keeps nothing, or has a key or a query in it.
    """
    return ObjectStore(location)


class ObjectStore:
    """Implements the port Store on a local folder or a remote bucket.

    A path that is not relative, plain and POSIX is a programming error: ValueError.
    """

    def __init__(self, location: str) -> None:
        if not location or "\0" in location:
            raise ValueError(f"not a store location: {location!r}")
        self._root = _local_root(location)
        self._location = str(self._root or location)
        self._backend: Backend | None = None
        self._opening = Lock()

    def __repr__(self) -> str:
        return f"ObjectStore({self._location!r})"

    async def put(
        self, path: str, data: bytes | Pieces, *, preceded_by: tuple[str, bytes] | None = None
    ) -> None:
        """Write one object, whole or not at all; a local one is on the disk when this returns.

        `preceded_by` is a small object, path and bytes, that is written before it, unsynced.

        Raises:
            StoreRefused: it could not be written.
        """
        objects = [(path, data)] if preceded_by is None else [preceded_by, (path, data)]
        for each, _ in objects:
            _check_path(each)
        with self._translated("write", path):
            backend = await self._open(create=True)
            if self._root is not None:
                # One visit to a thread for all that a disk does, in place of one for each part.
                await asyncio.to_thread(_put_files, backend, objects, self._root / path)
                return
            # One request even for a large image: parts of a cancelled upload would stay, and cost.
            for each, bytes_of in objects:
                await backend.put_async(each, bytes_of, use_multipart=False)

    async def get(self, path: str) -> bytes:
        """Read one object.

        Raises:
            ImageMissing: there is none.
            StoreRefused: it could not be read.
        """
        _check_path(path)
        with self._translated("read", path):
            backend = await self._open(create=False)
            try:
                answer = await backend.get_async(path)
                return bytes(await answer.bytes_async())
            except FileNotFoundError:
                await self._check_there(backend)
                raise ImageMissing(f"{path} is not in {self._location}") from None

    async def exists(self, path: str, *, byte_count: int | None = None) -> bool:
        """Tell whether an object is there, and has `byte_count` bytes where that is given.

        Raises:
            StoreRefused: the store itself is not there, or can't be asked.
        """
        _check_path(path)
        with self._translated("look for", path):
            if self._root is not None:
                return not await asyncio.to_thread(_missing_files, self._root, {path: byte_count})
            backend = await self._open(create=False)
            try:
                head = await backend.head_async(path)
            except FileNotFoundError:
                await self._check_there(backend)
                return False
            return byte_count is None or head["size"] == byte_count

    async def missing(self, byte_counts: Mapping[str, int]) -> AbstractSet[str]:
        """Tell which of some objects, by path, are not there or have another number of bytes.

        Raises:
            StoreRefused: the store itself is not there, or can't be asked.
        """
        if self._root is None:
            asking = [self.exists(path, byte_count=count) for path, count in byte_counts.items()]
            there = await asyncio.gather(*asking)
            return {path for path, is_there in zip(byte_counts, there, strict=True) if not is_there}
        for path in byte_counts:
            _check_path(path)
        with self._translated("look for", "images"):
            return await asyncio.to_thread(_missing_files, self._root, byte_counts)

    async def delete(self, path: str) -> None:
        """Remove one object; no matter if there is none.

        Raises:
            StoreRefused: it could not be removed, or the store itself is not there.
        """
        _check_path(path)
        with self._translated("remove", path):
            backend = await self._open(create=False)
            try:
                await backend.delete_async(path)
            except FileNotFoundError:
                await self._check_there(backend)

    async def paths(self, folder: str) -> Sequence[str]:
        """List the objects that lie directly in a folder; `""` is the top.

        Raises:
            StoreRefused: the store itself is not there, or can't be listed.
        """
        if folder:
            _check_path(folder)
        with self._translated("list", folder):
            if self._root is not None:
                return await asyncio.to_thread(_list_folder, self._root, folder)
            backend = await self._open(create=False)
            listed = await backend.list_with_delimiter_async(folder or None)
            return sorted(item["path"] for item in listed["objects"])

    def url(self, path: str) -> str:
        """Say where an object opens, for as long as it is kept.

        Local: an absolute, percent-encoded `file://` URI. Remote: the location with the path
        added, such as `s3://bucket/prefix/a.png`, unsigned: who opens it brings their own access.
        """
        _check_path(path)
        if self._root is not None:
            return (self._root / path).as_uri()
        return self._location + ("" if self._location.endswith("/") else "/") + quote(path)

    def object_at(self, file: Path) -> str | None:
        """Say which object a resolved path of this machine would be; None if it is outside."""
        root = None if self._root is None else self._root.resolve()
        if root is None or root not in file.parents:
            return None
        return file.relative_to(root).as_posix()

    async def _open(self, *, create: bool) -> "Backend":
        if self._backend is not None:
            return self._backend
        return await asyncio.to_thread(self._open_once, create=create)

    def _open_once(self, *, create: bool) -> "Backend":
        with self._opening:
            if self._backend is None:
                self._backend = self._connect(create=create)
            return self._backend

    def _connect(self, *, create: bool) -> "Backend":
        from obstore.store import LocalStore, from_url  # noqa: PLC0415 - the CLI often needs none

        if self._root is None:
            return from_url(self._location)
        if not create:
            _check_folder(self._root)
        backend = LocalStore(self._root, mkdir=create)
        with suppress(OSError):  # tidying up must not keep anyone from reading
            _remove_stale_staged(self._root)
        return backend

    async def _check_there(self, backend: "Backend") -> None:
        """Raise if the folder or bucket is gone, for that looks like a missing object."""
        if self._root is not None:
            await asyncio.to_thread(_check_folder, self._root)
        else:
            await anext(aiter(backend.list(chunk_size=1)), None)

    @contextmanager
    def _translated(self, verb: str, path: str) -> Iterator[None]:
        """Turn what obstore and the system raise into the contract's errors."""
        try:
            yield
        except StillsError:
            raise
        except Exception as error:
            if not _is_of_storage(error):
                raise
            raise StoreRefused(
                f"could not {verb} {path} in {self._location}: {_reason(error)}",
                action=self._action(),
            ) from error

    def _action(self) -> str:
        if self._root is not None:
            return f"Make room in {self._root} or mend its permissions, then ask again."
        return f"Check that {self._location} exists and its credentials are set, then ask again."


def _local_root(location: str) -> Path | None:
    if location.startswith("file:"):
        parts = urlsplit(location)
        if parts.netloc not in {"", "localhost"} or not parts.path.startswith("/"):
            raise ValueError(f"not an absolute file URL: {location!r}")
        return Path(url2pathname(parts.path))
    if "://" in location:
        _check_no_secrets(location)
        scheme = urlsplit(location).scheme
        if scheme not in _SCHEMES:
            known = ", ".join(("file", *_SCHEMES))
            raise ValueError(f"images are not kept at {scheme}://, only at one of {known}")
        return None
    return Path(location).absolute()


def _check_no_secrets(location: str) -> None:
    """Refuse what would end up in URLs, logs and tracebacks; it is not quoted here either."""
    parts = urlsplit(location)
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError(
            "a store location takes no keys and no query: set the variables of the service instead"
        )


def _check_path(path: str) -> None:
    segments = path.split("/")
    if any(segment in {"", ".", ".."} for segment in segments):
        raise ValueError(f"not a relative object path: {path!r}")
    for character in path:
        if character in "\\:#?%" or unicodedata.category(character) in {"Cc", "Cs"}:
            raise ValueError(f"{character!r} can't be part of an object path: {path!r}")


def _is_of_storage(error: Exception) -> bool:
    from obstore.exceptions import BaseError  # noqa: PLC0415 - the CLI often needs none

    # obstore raises ValueError too: for a location or a path that it can't parse.
    return isinstance(error, (BaseError, OSError, ValueError))


def _reason(error: Exception) -> str:
    """Say in one line what went wrong; obstore adds pages of its own internals."""
    return str(error).partition("\n")[0].strip()[:600]


def _check_folder(root: Path) -> None:
    if not root.is_dir():
        raise StoreRefused(
            f"the store's folder {root} is not there",
            action=f"Mount the disk or restore {root}, then ask again.",
        )


def _missing_files(root: Path, byte_counts: Mapping[str, int | None]) -> set[str]:
    _check_folder(root)
    return {path for path, count in byte_counts.items() if not _is_file(root / path, count)}


def _is_file(path: Path, byte_count: int | None) -> bool:
    try:
        there = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return stat.S_ISREG(there.st_mode) and (byte_count is None or byte_count == there.st_size)


def _list_folder(root: Path, folder: str) -> list[str]:
    if not root.exists():  # nothing was ever put
        return []
    _check_folder(root)
    inside = root / folder
    if not inside.is_dir():
        return []
    return sorted(
        entry.relative_to(root).as_posix()
        for entry in inside.iterdir()
        if entry.is_file() and _STAGED.fullmatch(entry.name) is None
    )


def _put_files(
    backend: "Backend", objects: Sequence[tuple[str, bytes | Pieces]], synced: Path
) -> None:
    for path, data in objects:
        backend.put(path, data, use_multipart=False)
    _flush(synced)


def _flush(target: Path) -> None:
    """Bring a file and its name to the disk, so that no power cut takes what was paid for."""
    if os.name != "posix":
        return
    for entry in (target, target.parent):
        descriptor = os.open(entry, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _remove_stale_staged(root: Path) -> None:
    oldest = time.time() - _STAGED_MAX_AGE_SECONDS
    for entry in root.rglob("*#*"):
        if _STAGED.fullmatch(entry.name) and entry.lstat().st_mtime < oldest:
            entry.unlink(missing_ok=True)
