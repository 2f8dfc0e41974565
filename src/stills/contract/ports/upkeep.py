"""Upkeep: what recovery, verification and readiness checks need."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from stills.contract.generation import Generation, KnownStore, StoredObject

if TYPE_CHECKING:
    from stills.contract.upkeep import StoredGeneration


class Upkeep(Protocol):
    """Checks and repairs the catalog. Raises CatalogError when it fails."""

    async def find_generation(self, generation_id: str) -> Generation | None:
        """Find a generation in any stage by its id."""
        ...

    async def list_unfinished(self, *, after: str | None = None) -> Sequence[Generation]:
        """List generations that are SENT, ANSWERED or SPOOLED and unclaimed, oldest first.

        A page starts after the generation whose id is `after`.
        """
        ...

    async def list_objects(self, *, after: str | None = None) -> Sequence[StoredObject]:
        """List every object that should be in the store, by generation, oldest first.

        A page starts after the generation whose id is `after`.
        """
        ...

    async def list_older_than(
        self, before: float, *, after: str | None = None
    ) -> "Sequence[StoredGeneration]":
        """List stored generations that were created before a time in Unix seconds.

        A page starts after the generation whose id is `after`.
        """
        ...

    async def find_unknown(self, named: Mapping[str, str]) -> Sequence[str]:
        """Return the paths that no object of the catalog has, out of a mapping.

        It maps each path to the id of the generation to which it belongs by its name.
        """
        ...

    async def read_store(self) -> KnownStore:
        """Return which store holds the images. A new catalog makes up an id for it."""
        ...

    async def record_store(self, store_id: str) -> None:
        """Record the id of the store, which was read from the store itself."""
        ...

    async def migrate(self) -> int:
        """Create the catalog, or migrate it to this version; returns the schema's version.

        The first use does that too.
        """
        ...

    async def check_writable(self) -> None:
        """Check that the catalog can be written, without changing it.

        Raises:
            CatalogError: it can't be written.
        """
        ...

    async def set_aside_if_damaged(self) -> str | None:
        """Move a damaged catalog out of the way, so that the next use makes a new one.

        Returns where the damaged one is now, or None if the catalog is intact.

        Raises:
            CatalogError: it is intact, but can't be used for another reason.
        """
        ...

    async def close(self) -> None:
        """Release everything; closing twice does nothing."""
        ...
