"""Verify that a stored image is read back unchanged."""

import asyncio
import hashlib

from stills.contract.errors import ImageMissing
from stills.contract.ports.store import Store


async def read_verified(store: Store, path: str, sha256: str) -> bytes:
    """Read an object whose hex digest is known.

    Raises:
        ImageMissing: it is missing, or damaged.
        StoreRefused: it can't be read.
    """
    data = await store.get(path)
    if not await matches_digest(data, sha256):
        raise ImageMissing(
            f"{store.url(path)} is damaged",
            action="Restore a good copy, or use --fresh to pay for a new one.",
        )
    return data


async def matches_digest(data: bytes, sha256: str) -> bool:
    """Return whether bytes have this SHA-256 hex digest; hashed in a thread."""
    return await asyncio.to_thread(lambda: hashlib.sha256(data).hexdigest() == sha256)
