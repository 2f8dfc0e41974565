"""The downloader: fetches references from their URLs."""

from typing import Protocol


class Downloader(Protocol):
    """Downloads images within limits of time, bytes and redirects.

    For untrusted callers, it never connects to a private address.
    """

    async def get(self, url: str, *, max_bytes: int) -> bytes:
        """Download an https URL.

        Raises:
            InvalidReference: it may not be fetched, fails, takes too long or is too big.
        """
        ...
