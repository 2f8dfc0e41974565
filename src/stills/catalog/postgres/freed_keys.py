"""Announcements of keys whose claim has ended, over one connection per process."""

import asyncio
from collections import defaultdict
from contextlib import suppress

import psycopg

from stills.catalog.postgres.connection import missing_options
from stills.contract.postgres_url import PostgresUrl

_RECONNECT_SECONDS = 1.0


class FreedKeys:
    """Wakes those that wait for a key. It connects when the first one does, until it is closed."""

    def __init__(self, url: PostgresUrl) -> None:
        self._url = url
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._listening: asyncio.Task[None] | None = None

    async def wait(self, key: str, *, at_most_seconds: float) -> None:
        """Wait until a claim on the key ends.

        It may also return for another reason, because announcements get lost with a connection.
        """
        if self._listening is None:
            self._listening = asyncio.create_task(self._listen())
        freed = asyncio.Event()
        self._waiting[key].add(freed)
        try:
            async with asyncio.timeout(at_most_seconds):
                await freed.wait()
        except TimeoutError:
            pass
        finally:
            self._waiting[key].discard(freed)
            if not self._waiting[key]:
                del self._waiting[key]

    async def close(self) -> None:
        """Disconnect."""
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)

    async def _listen(self) -> None:
        while True:
            with suppress(psycopg.Error):
                await self._listen_until_lost()
            await asyncio.sleep(_RECONNECT_SECONDS)

    async def _listen_until_lost(self) -> None:
        async with await psycopg.AsyncConnection.connect(
            self._url.secret, autocommit=True, **missing_options(self._url)
        ) as connection:
            await connection.execute("LISTEN stills_freed_keys")
            for key in list(self._waiting):
                self._wake(key)  # it may have been freed before this
            async for announced in connection.notifies():
                self._wake(announced.payload)

    def _wake(self, key: str) -> None:
        for freed in self._waiting.get(key, ()):
            freed.set()
