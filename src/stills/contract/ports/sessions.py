"""Browsers that logged in with an API key of our own service."""

from typing import Protocol

from stills.contract.access import ApiKey


class Sessions(Protocol):
    """Remembers sessions, for any number of processes. Raises CatalogError when it fails.

    `digest` is the SHA-256 of a session's secret, in hex.
    """

    async def begin(self, digest: str, key: ApiKey, *, seconds: float) -> None:
        """Begin a session of a key, and forget those that are over."""
        ...

    async def find_key(self, digest: str) -> ApiKey | None:
        """Return the key of a session, revoked or not; None if there is none, or it is over."""
        ...

    async def end(self, digest: str) -> None:
        """End a session; ending it twice does nothing."""
        ...
