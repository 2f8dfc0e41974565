"""The port Store on a bucket, through obstore: S3 and compatible services, GCS or Azure.

obstore is loaded at the first read or write. Only its synchronous calls are used, in threads: a
process that ends soon after one of its asynchronous calls can abort in the native runtime (seen in
obstore 0.12.1), after everything has succeeded.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from stills.contract.errors import ImageMissing, StoreRefused
from stills.contract.forked import begin_use
from stills.contract.generation import Chunks
from stills.contract.links import ImageLinks
from stills.store.object_path import check_object_path

if TYPE_CHECKING:
    from obstore import Attributes
    from obstore.store import ObjectStore as Backend

_THREADS = 32
# A request takes at most 30 s by obstore's default (AWS_TIMEOUT and similar variables change it),
# and none starts after _RETRY_SECONDS, so obstore gives up before CALL_SECONDS.
_RETRIES_MAX = 3
_RETRY_SECONDS = 20.0
CALL_SECONDS = 60.0
_PAGE = 1000  # S3 lists no more in one request
_CONTENT_TYPES = {
    "png": "image/png",
    "json": "application/json",
    "txt": "text/plain; charset=utf-8",
}

_Value = TypeVar("_Value")


class BucketStore:
    """Implements the port Store on a bucket URL."""

    def __init__(self, location: str, links: ImageLinks | None = None) -> None:
        self._location = location
        self._links = links or ImageLinks()
        self._backend: Backend | None = None
        self._opening = Lock()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="bucket")

    def __repr__(self) -> str:
        return f"BucketStore({self._location!r})"

    async def ready(self) -> None:
        await self._call("open", "the store", lambda _: None)

    async def put(
        self, path: str, data: bytes | Chunks, *, preceded_by: tuple[str, bytes] | None = None
    ) -> None:
        objects = [(path, data)] if preceded_by is None else [preceded_by, (path, data)]
        for each, _ in objects:
            check_object_path(each)

        def write(backend: "Backend") -> None:
            # One request even for a large image: an unfinished multipart upload would cost money.
            for each, content in objects:
                backend.put(each, content, use_multipart=False, attributes=_attributes(each))

        await self._call("write", path, write)

    async def get(self, path: str) -> bytes:
        check_object_path(path)

        def read(backend: "Backend") -> bytes:
            try:
                return bytes(backend.get(path).bytes())
            except FileNotFoundError:
                _check_there(backend)
                raise ImageMissing(f"{path} is not in {self._location}") from None

        return await self._call("read", path, read)

    async def exists(self, path: str, *, byte_count: int | None = None) -> bool:
        check_object_path(path)

        def look(backend: "Backend") -> bool:
            try:
                head = backend.head(path)
            except FileNotFoundError:
                _check_there(backend)
                return False
            return byte_count is None or head["size"] == byte_count

        return await self._call("look for", path, look)

    async def missing(self, byte_counts: Mapping[str, int]) -> AbstractSet[str]:
        checks = [self.exists(path, byte_count=count) for path, count in byte_counts.items()]
        found = await asyncio.gather(*checks)
        return {path for path, exists in zip(byte_counts, found, strict=True) if not exists}

    async def delete(self, path: str) -> None:
        check_object_path(path)

        def remove(backend: "Backend") -> None:
            try:
                backend.delete(path)
            except FileNotFoundError:
                _check_there(backend)

        await self._call("remove", path, remove)

    async def paths(self, folder: str) -> Sequence[str]:
        if folder:
            check_object_path(folder)

        def list_objects(backend: "Backend") -> list[str]:
            listed = backend.list_with_delimiter(folder or None)
            return sorted(item["path"] for item in listed["objects"])

        return await self._call("list", folder, list_objects)

    async def pages(self, folder: str) -> AsyncGenerator[Sequence[str]]:
        if folder:
            check_object_path(folder)
        listed = await self._call(
            "list", folder, lambda backend: backend.list(folder or None, chunk_size=_PAGE)
        )
        # Objects in deeper folders are listed too.
        while (page := await self._call("list", folder, lambda _: next(listed, None))) is not None:
            paths = [item["path"] for item in page]
            yield [path for path in paths if "/" not in path.removeprefix(f"{folder}/")]

    def url(self, path: str) -> str:
        """Return the location with the path added, such as `s3://bucket/prefix/a.png`, unsigned."""
        check_object_path(path)
        return self._location + ("" if self._location.endswith("/") else "/") + quote(path)

    async def links(self, paths: Sequence[str]) -> Sequence[str]:
        if not paths:
            return []
        if self._links.prefix is not None:
            for path in paths:
                check_object_path(path)
            return [f"{self._links.prefix}/{quote(path)}" for path in paths]
        if self._links.signed_seconds is None:
            return [self.url(path) for path in paths]
        return await self.sign(paths, timedelta(seconds=self._links.signed_seconds))

    async def sign(self, paths: Sequence[str], expires_in: timedelta) -> Sequence[str]:
        """Sign a link to each object.

        Raises:
            StoreRefused: the credentials can't sign.
        """
        for path in paths:
            check_object_path(path)

        def sign(backend: Any) -> Sequence[str]:  # noqa: ANN401 - obstore names no such type
            from obstore import sign as sign_links  # noqa: PLC0415 - slow, and often unused

            return sign_links(backend, "GET", list(paths), expires_in)

        return await self._call("sign a link to", paths[0], sign)

    async def close(self) -> None:
        """Accept no more calls; those still running in a thread end by obstore's own timeouts."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _call(self, verb: str, path: str, work: Callable[["Backend"], _Value]) -> _Value:
        """Run an obstore call in a thread, with a deadline.

        Raises:
            StillsError: `work` raised it, or obstore failed (StoreRefused).
        """
        loop = asyncio.get_running_loop()
        running = loop.run_in_executor(self._threads, partial(self._work, work))
        try:
            return await asyncio.wait_for(running, CALL_SECONDS)
        except TimeoutError:
            raise self._refused(verb, path, f"no answer within {CALL_SECONDS:g} s") from None
        except BaseException as error:
            reason = _storage_reason(error)
            if reason is None:
                raise
            raise self._refused(verb, path, reason) from error

    def _refused(self, verb: str, path: str, reason: str) -> StoreRefused:
        return StoreRefused(
            f"could not {verb} {path} in {self._location}: {reason}",
            action=f"Check that {self._location} exists and its credentials are set, then retry.",
        )

    def _work(self, work: Callable[["Backend"], _Value]) -> _Value:
        begin_use("obstore")
        with self._opening:
            if self._backend is None:
                self._backend = _connect(self._location)
        return work(self._backend)


def _attributes(path: str) -> "Attributes":
    """Return the headers with which an object is served; an image never changes."""
    kind = path.rpartition(".")[2]
    attributes: Attributes = {
        "Content-Type": _CONTENT_TYPES.get(kind, "application/octet-stream"),
    }
    if kind == "png":
        attributes["Cache-Control"] = "public, max-age=31536000, immutable"
    return attributes


def _connect(location: str) -> "Backend":
    from obstore.store import MemoryStore, from_url  # noqa: PLC0415 - slow, and often unused

    # The first call starts the native runtime, which opens files and panics if it can't.
    MemoryStore().put("started", b"")
    # Client options set here would override the environment's, such as AWS_ALLOW_HTTP.
    return from_url(
        location,
        retry_config={
            "max_retries": _RETRIES_MAX,
            "retry_timeout": timedelta(seconds=_RETRY_SECONDS),
        },
    )


def _check_there(backend: "Backend") -> None:
    """Raise if the bucket is missing, because then every object seems to be missing."""
    next(iter(backend.list(chunk_size=1)), None)


def _storage_reason(error: BaseException) -> str | None:
    """Return obstore's error as one line, or None for an error that is not obstore's."""
    from obstore.exceptions import BaseError  # noqa: PLC0415 - slow, and often unused

    first_line = str(error).partition("\n")[0].strip()[:600]  # pages of its internals follow
    # Native code panics with a BaseException whose class can't be imported.
    if type(error).__name__ == "PanicException":
        return f"obstore crashed: {first_line}"
    # obstore also raises ValueError if it can't parse a location or path.
    return first_line if isinstance(error, (BaseError, OSError, ValueError)) else None
