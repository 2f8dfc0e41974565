"""A store with one file that can't be read."""

from pathlib import Path

from stills.contract.errors import StoreRefused
from stills.store import open_store


class BadSector:
    """A folder store that can read every object except one."""

    def __init__(self, folder: Path, bad: str) -> None:
        self._store = open_store(str(folder))
        self._bad = bad

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    async def get(self, path: str) -> bytes:
        if path == self._bad:
            raise StoreRefused("a bad sector")
        return await self._store.get(path)
