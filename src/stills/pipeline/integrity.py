"""Whole: what is read back is the very image that was kept."""

import asyncio
import hashlib

from stills.contract.errors import ImageMissing
from stills.contract.ports.store import Store


async def read_verified(store: Store, path: str, sha256: str) -> bytes:
    """Read an object whose hex digest is known.

    Raises:
        ImageMissing: there is none, or it is damaged.
        StoreRefused: it could not be read.
    """
    data = await store.get(path)
    if not await matches_digest(data, sha256):
        raise ImageMissing(
            f"{store.url(path)} is damaged",
            action="Put a good copy back, or ask with --fresh to pay for a new one.",
        )
    return data


async def matches_digest(data: bytes, sha256: str) -> bool:
    """Tell whether bytes have a hex digest; hashed off the event loop."""
    return await asyncio.to_thread(lambda: hashlib.sha256(data).hexdigest() == sha256)
