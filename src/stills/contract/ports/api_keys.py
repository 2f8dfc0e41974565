"""API keys of our own service."""

from typing import Protocol

from stills.contract.access import ApiKey


class ApiKeys(Protocol):
    """Remembers API keys, for any number of processes. Raises CatalogError when it fails."""

    async def add(self, key: ApiKey) -> bool:
        """Add a key; False if an active key has the same name."""
        ...

    async def find(self, key_id: str) -> ApiKey | None:
        """Look up a key, revoked or not."""
        ...

    async def list(self) -> tuple[ApiKey, ...]:
        """List every key, revoked or not, oldest first."""
        ...

    async def revoke(self, name: str, *, now: float) -> bool:
        """Revoke the active key of a name; False if there is no such key."""
        ...

    async def take_slot(self, key: ApiKey, *, now: float | None = None) -> float:
        """Count a request against a key's rate; return 0, or the seconds until it may be made.

        `now` (Unix seconds) is the time by the catalog's clock unless given.
        """
        ...
