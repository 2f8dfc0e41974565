"""Idempotency keys of our own service."""

from typing import Protocol

from stills.contract.access import IdempotencyRecord


class IdempotencyStore(Protocol):
    """Remembers answers by idempotency key, for a day. Raises CatalogError when it fails."""

    async def begin(self, owner: str, key: str, digest: str) -> IdempotencyRecord:
        """Bind a key to a request's digest, unless it is bound already."""
        ...

    async def finish(self, owner: str, key: str, answer: str) -> str:
        """Remember the answer for a key, unless it has one; return the one that is remembered."""
        ...
