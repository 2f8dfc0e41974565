"""The store's marker: one small object that shows that this is the store of the catalog.

Without it, the bare mount point of an unmounted disk looks like an empty store. The catalog records
the marker's id once it has seen it; a store from before there were markers gets one as soon as it
turns out to have the catalog's images.
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
        """See that the store is the catalog's, until it was once; a new store gets its marker.

        Raises:
            WrongStore: it is another one, or its disk is not mounted.
            StoreRefused: the store can't be read, or the marker not be written.
            CatalogError: the catalog can't be used.
        """
        async with self._checking:
            if not self._is_checked:
                await self._check(await self._catalog.read_store())
                self._is_checked = True

    async def check_before_paying(self) -> tuple[str, ...]:
        """Check the store; one that can't be used now is no reason not to pay, but to spool.

        Returns a note, once, if the catalog is empty beside a store that has images.

        Raises:
            WrongStore: it is another one, or its disk is not mounted.
            CatalogError: the catalog can't be used.
        """
        async with self._paying:
            if self._may_pay:
                return ()
            try:
                await self.check()
            except WrongStore as error:
                raise error.with_(message=f"{error.message}; nothing was sent") from error
            except StoreRefused:
                pass
            notes = await self._warn_of_an_empty_catalog()
            self._may_pay = True
            return notes

    async def check_ready(self) -> None:
        """See that the store is the catalog's and can be used now, and once that it can be written.

        Raises:
            WrongStore: it is another one, or its disk is not mounted.
            StoreRefused: the store can't be used, or its marker not be written.
            CatalogError: the catalog can't be used.
        """
        await self.check()
        if not self._was_written:
            await self._store.put(MARKER, _content((await self._catalog.read_store()).id))
            self._was_written = True
        if not await self._store.exists(MARKER):
            where = self._store.url(MARKER)
            raise WrongStore(f"the store's marker {where} is gone, so its disk may be unmounted")

    async def accept(self) -> None:
        """Take the store, whichever it is, as the catalog's from now on.

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
        found = await self._read()
        if known.newest:  # else no image can be missed
            await self._compare(known, found)
        await self._confirm(known, found)

    async def _compare(self, known: KnownStore, found: str | None) -> None:
        where = self._store.url(MARKER)
        if known.confirmed and found is None:
            raise WrongStore(f"the store's marker {where} is missing, so its disk may be unmounted")
        if known.confirmed and found and found != known.id:
            raise WrongStore(
                f"{where} marks the store of another catalog",
                action=(
                    "Correct STILLS_STORE or, to use this store from now on, run `stills recover "
                    "--rebuild`, then ask again."
                ),
            )
        if not known.confirmed and found is None:
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

    async def _confirm(self, known: KnownStore, found: str | None) -> None:
        """Write the marker if it is missing or empty, and record its id."""
        if not found:
            await self._store.put(MARKER, _content(known.id))
        if not known.confirmed or (found and found != known.id):
            await self._catalog.record_store(found or known.id)

    async def _read(self) -> str | None:
        """Return the marker's id, `""` if a user made an empty one, None if there is none."""
        if MARKER not in await self._store.paths(_FOLDER):
            return None
        return (await self._store.get(MARKER)).decode(errors="replace").strip()[:64]

    async def _warn_of_an_empty_catalog(self) -> tuple[str, ...]:
        if (await self._catalog.read_store()).newest:
            return ()
        try:
            number = len(await self._store.paths(SIDECAR_FOLDER))
        except StoreRefused:
            return ()
        if number == 0:
            return ()
        images = "1 image" if number == 1 else f"{number} images"
        note = (
            f"The catalog is empty, but the store has {images}. Run `stills recover --rebuild` to "
            "read back what is there; otherwise it may be paid for again."
        )
        _LOG.warning(note)
        return (note,)


def _content(store_id: str) -> bytes:
    return f"{store_id}\n".encode()
