"""The output folders of batches, which know what is picked."""

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stills.contract.upkeep import BatchFolder


class BatchFolders(Protocol):
    """Remembers where batches wrote their images. Raises CatalogError when it fails."""

    async def add(self, url: str) -> None:
        """Remember a folder of this machine, by its file URL."""
        ...

    async def list(self) -> "Sequence[BatchFolder]":
        """List the folders of all machines."""
        ...

    async def forget(self, folder: "BatchFolder") -> None:
        """Forget a folder, if it is known."""
        ...
