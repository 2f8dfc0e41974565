"""`stills.maintenance`: check and repair the catalog and the store."""

from collections.abc import Sequence

from stills.contract.upkeep import OnOutcome, OnProgress, Recovered
from stills.maintenance.rebuild import rebuild
from stills.maintenance.recover import recover
from stills.pipeline.policy import Policy
from stills.pipeline.ports import Ports
from stills.pipeline.store_marker import MARKER


class Maintenance:
    """Checks and repairs the catalog and the store. Get it as `stills.maintenance`."""

    def __init__(self, ports: Ports, policy: Policy) -> None:
        self._ports = ports
        self._policy = policy

    async def check_ready(self) -> None:
        """Check that the catalog and the store can be read and written.

        Raises:
            StorageError: one of them can't.
        """
        await self.check_catalog()
        await self._ports.marker.check_ready()

    async def check_catalog(self) -> None:
        """Check that the catalog can be read and written.

        Raises:
            CatalogError: it can't.
        """
        await self._ports.catalog.check_writable()

    async def check_store(self) -> None:
        """Check that the store can be read; nothing is written, and no catalog is needed.

        Raises:
            StoreRefused: it can't.
        """
        await self._ports.store.exists(MARKER)

    async def migrate_catalog(self) -> int:
        """Create the catalog, or migrate it to this version; returns the schema's version.

        Raises:
            CatalogError: it can't be used.
        """
        return await self._ports.catalog.migrate()

    async def recover(self, *, on_progress: OnProgress = lambda _: None) -> Sequence[Recovered]:
        """Finish interrupted images that are paid for; nothing is sent."""
        return await recover(self._ports, self._policy, on_progress)

    async def rebuild(
        self, *, on_outcome: OnOutcome | None = None, on_progress: OnProgress = lambda _: None
    ) -> tuple[str | None, Sequence[Recovered]]:
        """Add the store's images to the catalog, or to a new one if the catalog is damaged.

        Returns the damaged file's new path, if any, and outcomes unless `on_outcome` gets them.

        Raises:
            StorageError: the store can't be read or is empty, or the catalog can't be used.
        """
        return await rebuild(self._ports, on_outcome, on_progress)
