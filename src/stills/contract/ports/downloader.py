"""The downloader: fetches references that untrusted callers name."""

from typing import Protocol


class Downloader(Protocol):
    """Downloads from the public internet only, never from a private address."""

    async def get(self, url: str, *, max_bytes: int) -> bytes:
        """Download an https URL.

        Raises:
            InvalidReference: it may not be fetched, fails, takes too long or is too big.
        """
        ...
