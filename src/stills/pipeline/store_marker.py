"""The store's marker: a small object that identifies the catalog's store.

Without it, the mount point of an unmounted disk looks like an empty store. The catalog records the
marker's id when it first sees it. A store older than markers gets one when it is found to have the
catalog's images.
"""

import asyncio
import logging

from stills.contract.errors import StoreRefused, WrongStore
from stills.contract.generation import KnownStore
from stills.contract.ports.store import Store
from stills.contract.ports.upkeep import Upkeep
from stills.pipeline.sidecar import SIDECAR_FOLDER

_FOLDER = "store"
MARKER = f"{_FOLDER}/id.txt"
_LOG = logging.getLogger("stills")


class StoreMarker:
    """Checks the store of one process: before its first paid call, and before its first write."""

    def __init__(self, store: Store, catalog: Upkeep) -> None:
        self._store = store
        self._catalog = catalog
        self._checking = asyncio.Lock()
        self._paying = asyncio.Lock()
        self._is_checked = False
        self._was_written = False
        self._may_pay = False

    async def check(self) -> None:
        """Check that the store is the catalog's, once; a new store gets its marker.

        Raises:
            WrongStore: it is another catalog's, or its disk is not mounted.
            StoreRefused: the store can't be read, or the marker can't be written.
            CatalogError: the catalog can't be used.
        """
        async with self._checking:
            if not self._is_checked:
                await self._check(await self._catalog.read_store())
                self._is_checked = True

    async def check_before_paying(self) -> tuple[str, ...]:
        """Check that the store can be written, once and again after it refused an image.

        Returns a note, once, if the catalog is empty but the store has images.

        Raises:
            WrongStore: it is another catalog's, or its disk is not mounted. Nothing was sent.
            StoreRefused: it can't be used now. Nothing was sent.
            CatalogError: the catalog can't be used.
        """
        async with self._paying:
            if self._may_pay:
                return ()
            try:
                await self.check_ready()
            except StoreRefused as error:
                raise error.with_(message=f"{error.message}; nothing was sent") from error
            notes = await self._warn_of_an_empty_catalog()
            self._may_pay = True
            return notes

    def doubt(self) -> None:
        """Check the store again before the next paid call, because it refused an image."""
        self._may_pay = self._was_written = False

    async def check_ready(self) -> None:
        """Check that the store is the catalog's and is usable now, and once that it is writable.

        Raises:
            WrongStore: it is another catalog's, or its disk is not mounted.
            StoreRefused: the store can't be used, or its marker can't be written.
            CatalogError: the catalog can't be used.
        """
        await self.check()
        if not self._was_written:
            await self._store.put(MARKER, _content((await self._catalog.read_store()).id))
            self._was_written = True
        await self.check_mounted()

    async def check_mounted(self) -> None:
        """Check that the store is the catalog's and is there now; a full disk is not an error.

        Raises:
            WrongStore: it is another catalog's, or its disk is not mounted.
            StoreRefused: the store can't be read.
            CatalogError: the catalog can't be used.
        """
        await self.check()
        if not await self._store.exists(MARKER):
            where = self._store.url(MARKER)
            raise WrongStore(f"the store's marker {where} is gone, so its disk may be unmounted")

    async def accept(self) -> None:
        """Make this store the catalog's from now on.

        Raises:
            StoreRefused: the marker can't be read or written.
            CatalogError: the catalog can't be used.
        """
        known = await self._catalog.read_store()
        await self._confirm(known, await self._read())

    async def read_id(self) -> str:
        """Return the id of the catalog's store.

        Raises:
            CatalogError: the catalog can't be used.
        """
        return (await self._catalog.read_store()).id

    async def _check(self, known: KnownStore) -> None:
        marker_id = await self._read()
        if known.newest:  # otherwise no image can be missing
            await self._compare(known, marker_id)
        await self._confirm(known, marker_id)

    async def _compare(self, known: KnownStore, marker_id: str | None) -> None:
        where = self._store.url(MARKER)
        if known.confirmed and marker_id is None:
            raise WrongStore(f"the store's marker {where} is missing, so its disk may be unmounted")
        if known.confirmed and marker_id and marker_id != known.id:
            raise WrongStore(
                f"{where} belongs to another catalog's store",
                action=(
                    "Correct STILLS_STORE or, to use this store from now on, run `stills recover "
                    "--rebuild`, then retry."
                ),
            )
        if not known.confirmed and marker_id is None:
            await self._look_for_images(known)

    async def _look_for_images(self, known: KnownStore) -> None:
        try:
            missing = await self._store.missing(known.newest)
        except StoreRefused as error:
            raise WrongStore(error.message, action=error.action) from error
        if len(missing) == len(known.newest):
            path = next(iter(known.newest))
            raise WrongStore(
                f"the catalog's newest images, such as {self._store.url(path)}, are missing, so "
                "the store's disk may be unmounted"
            )

    async def _confirm(self, known: KnownStore, marker_id: str | None) -> None:
        """Write the marker if it is missing or empty, and record its id."""
        if not marker_id:
            await self._store.put(MARKER, _content(known.id))
        if not known.confirmed or (marker_id and marker_id != known.id):
            await self._catalog.record_store(marker_id or known.id)

    async def _read(self) -> str | None:
        """Return the marker's id, `""` if a user made an empty marker, None without a marker."""
        if MARKER not in await self._store.paths(_FOLDER):
            return None
        return (await self._store.get(MARKER)).decode(errors="replace").strip()[:64]

    async def _warn_of_an_empty_catalog(self) -> tuple[str, ...]:
        if (await self._catalog.read_store()).newest:
            return ()
        try:
            number = sum([len(page) async for page in self._store.pages(SIDECAR_FOLDER)])
        except StoreRefused:
            return ()
        if number == 0:
            return ()
        images = "1 image" if number == 1 else f"{number} images"
        note = (
            f"The catalog is empty, but the store has {images}. Run `stills recover --rebuild` to "
            "add them to the catalog; otherwise they may be paid for again."
        )
        _LOG.warning(note)
        return (note,)


def _content(store_id: str) -> bytes:
    return f"{store_id}\n".encode()
