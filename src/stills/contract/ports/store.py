"""The store: holds image bytes under readable paths."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Protocol

from stills.contract.generation import Chunks


class Store(Protocol):
    """Holds objects by path.

    A path that is not relative, plain and POSIX is a programming error: ValueError.
    """

    async def ready(self) -> None:
        """Load and start what later calls need, without contacting the store.

        Raises:
            StoreRefused: it can't be started.
        """
        ...

    async def put(
        self, path: str, data: bytes | Chunks, *, preceded_by: tuple[str, bytes] | None = None
    ) -> None:
        """Write an object completely or not at all; once this returns, it survives a power cut.

        `preceded_by` is a small object, path and bytes, that is written first; it need not survive.

        Raises:
            StoreRefused: it could not be written.
        """
        ...

    async def get(self, path: str) -> bytes:
        """Read an object.

        Raises:
            ImageMissing: the object does not exist.
            StoreRefused: it could not be read.
        """
        ...

    async def exists(self, path: str, *, byte_count: int | None = None) -> bool:
        """Return whether an object exists and, if `byte_count` is given, has that many bytes.

        Raises:
            StoreRefused: the store itself is missing.
        """
        ...

    async def missing(self, byte_counts: Mapping[str, int]) -> AbstractSet[str]:
        """Return the paths, out of a mapping, that don't exist or have another number of bytes.

        Raises:
            StoreRefused: the store itself is missing.
        """
        ...

    async def delete(self, path: str) -> None:
        """Delete an object, if it exists.

        Raises:
            StoreRefused: it could not be deleted, or the store itself is missing.
        """
        ...

    async def paths(self, folder: str) -> Sequence[str]:
        """List the objects directly in a folder, sorted; `""` is the top.

        Raises:
            StoreRefused: the store can't be listed.
        """
        ...

    def pages(self, folder: str) -> AsyncGenerator[Sequence[str]]:
        """List the same objects in pages and in any order, for folders of any size.

        Raises:
            StoreRefused: the store can't be listed.
        """
        ...

    def url(self, path: str) -> str:
        """Return the URL of an object; it stays valid while the object is stored."""
        ...

    async def links(self, paths: Sequence[str]) -> Sequence[str]:
        """Return the URL at which each object opens for others, which may expire.

        Raises:
            StoreRefused: a link can't be signed.
        """
        ...

    async def close(self) -> None:
        """Accept no more calls."""
        ...
