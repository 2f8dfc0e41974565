"""The catalog on Postgres."""

import asyncio
import json
import random
from collections.abc import Callable, Sequence

from stills.catalog import queries
from stills.catalog.claims import read_holder
from stills.catalog.connection import Connection, Row, TextSearch
from stills.catalog.postgres import schema
from stills.catalog.postgres.answers import record_answers
from stills.catalog.postgres.batch import Batch
from stills.catalog.postgres.database import PostgresDatabase
from stills.catalog.postgres.errors import is_of_connection
from stills.catalog.postgres.freed_keys import FreedKeys
from stills.catalog.postgres.lapsed import LapsedClaims
from stills.catalog.processes import Life, judge, this_process
from stills.catalog.rows import read_hit
from stills.catalog.sql import SqlCatalog
from stills.catalog.upkeep import read_unfinished
from stills.contract.errors import CatalogError
from stills.contract.generation import (
    CatalogHit,
    CatalogMiss,
    Claim,
    Generation,
    Held,
    Rendition,
    RequestRecord,
)
from stills.contract.money import Caps
from stills.contract.postgres_url import PostgresUrl
from stills.contract.size import Size

POLL_SECONDS = 2.0
"""How often those that wait for a key look, in case its announcement was lost."""

_AWAY_RETRY_SECONDS = 1.0

_BEGIN_PAID_STEP = "SELECT begin_paid_step(:keys)"

# Only a process of the same scope can be judged.
_PROCESSES = "SELECT DISTINCT pid, started FROM claims WHERE scope = :scope"
_SET_LIVES = "SELECT set_config('stills.lives', :lives, TRUE)"

_CLAIM = """
SELECT c.*, in_lease(c.lease_from, c.lease_until) AS is_in_lease,
       g.stage = 'sent' AND EXISTS (
           SELECT 1 FROM sends WHERE generation_id = g.id AND settled_at IS NULL
       ) AS is_in_call,
       g.task_id IS NOT NULL AS has_task
FROM claims AS c JOIN generations AS g ON g.id = c.generation_id
WHERE c.key = :key
"""

_AWAIT = "UPDATE claims SET is_awaited = TRUE WHERE key = :key"


def _of_wanted(query: str) -> str:
    for name in ("key", "width", "height"):
        query = query.replace(f":{name}", f"wanted.{name}")
    return query


# FIND for each of the wanted keys and sizes, in their order; LAST_DELETED only where it finds none.
_FIND_MANY = f"""
SELECT found.*, CASE WHEN found.id IS NULL THEN ({_of_wanted(queries.LAST_DELETED)}) END
       AS last_deleted_at
FROM unnest(CAST(:keys AS TEXT[]), CAST(:widths AS INTEGER[]), CAST(:heights AS INTEGER[]))
     WITH ORDINALITY AS wanted (key, width, height, number)
LEFT JOIN LATERAL ({_of_wanted(queries.FIND)}) AS found ON TRUE
ORDER BY wanted.number
"""  # noqa: S608 - our own text


def _like(text: str) -> str:
    """Return the pattern of LIKE for any text that contains this one."""
    for special in ("\\", "%", "_"):
        text = text.replace(special, f"\\{special}")
    return f"%{text}%"


_LIKE = TextSearch(condition="p.prompt LIKE :pattern", pattern=_like, join="JOIN", min_characters=0)


class PostgresCatalog(SqlCatalog):
    """Implements the port Catalog; the first use creates the schema `stills`."""

    def __init__(self, url: PostgresUrl) -> None:
        self.lapsed = LapsedClaims()
        self._finding = Batch(self._find_batch, is_of_connection)
        self._recording = Batch(self._record_batch, is_of_connection)
        self._server = PostgresDatabase(url, on_failure=self.lapsed.forget)
        self._freed_keys = FreedKeys(url)
        self._awaited: set[str] = set()
        super().__init__(self._server, _LIKE)

    async def migrate(self) -> int:
        return await self._server.migrate()

    async def find(self, key: str, size: Size) -> CatalogHit | CatalogMiss:
        return await self._finding.add((key, size))

    async def find_many(
        self, wanted: Sequence[tuple[str, Size]]
    ) -> Sequence[CatalogHit | CatalogMiss]:
        return await self._find_batch(wanted)

    async def record_requests(self, answered: Sequence[tuple[Rendition, RequestRecord]]) -> None:
        await self._recording.add(answered)

    async def _claim(
        self, key: str, work: Callable[[Connection], Claim | CatalogHit | Held]
    ) -> Claim | CatalogHit | Held:
        try:
            while True:
                try:
                    return await super()._claim(key, work)
                except CatalogError as error:
                    # Those that wait for another worker's image wait for the server too.
                    if key not in self._awaited or not is_of_connection(error):
                        raise
                await asyncio.sleep(_AWAY_RETRY_SECONDS)
        finally:
            self._awaited.discard(key)

    async def wait_until_free(self, key: str, *, poll_seconds: float) -> None:
        del poll_seconds  # announcements are faster
        await self._freed_keys.wait(key, at_most_seconds=POLL_SECONDS * random.uniform(0.75, 1.25))  # noqa: S311
        self._awaited.add(key)

    async def close(self) -> None:
        await self._freed_keys.close()
        await self._finding.finish()
        await self._recording.finish()
        await super().close()

    async def _find_batch(
        self, wanted: Sequence[tuple[str, Size]]
    ) -> Sequence[CatalogHit | CatalogMiss]:
        values = {
            "keys": [key for key, _ in wanted],
            "widths": [size.width for _, size in wanted],
            "heights": [size.height for _, size in wanted],
        }

        def work(connection: Connection) -> list[CatalogHit | CatalogMiss]:
            rows = connection.execute(_FIND_MANY, values)
            return [
                CatalogMiss(row["last_deleted_at"]) if row["id"] is None else read_hit(row, size)
                for row, (_, size) in zip(rows, wanted, strict=True)
            ]

        return await self.database.read(work)

    async def _record_batch(
        self, batch: Sequence[Sequence[tuple[Rendition, RequestRecord]]]
    ) -> Sequence[None]:
        answered = [one for of_caller in batch for one in of_caller]
        await self.database.write(
            lambda connection: record_answers(connection, answered), synced=False
        )
        return [None] * len(batch)

    async def list_unfinished(self, *, after: str | None = None) -> Sequence[Generation]:
        def work(connection: Connection) -> Sequence[Generation]:
            _judge_processes(connection)
            return read_unfinished(connection, after)

        return await self.database.write(work, synced=False)

    async def set_aside_if_damaged(self) -> str | None:
        await self._server.check_writable()
        return None

    def _begin_paid_step(self, connection: Connection, keys: Sequence[str], caps: Caps) -> None:
        row = connection.execute(_BEGIN_PAID_STEP, {"keys": sorted(set(keys))}).fetchone()
        schema.refuse_newer(row[0], self._server.url)
        of_job = caps.job.usd if caps.job else None
        if (caps.day_usd, caps.payer_day_usd, of_job) != (None, None, None):
            _judge_processes(connection)

    def _find_holder(self, connection: Connection, key: str) -> Held | None:
        row = connection.execute(_CLAIM, {"key": key}).fetchone()
        if row is None or self._is_over(row):
            return None
        if not row["is_awaited"]:
            connection.execute(_AWAIT, {"key": key})
        return read_holder(row)

    def _is_over(self, claim: Row) -> bool:
        """Return whether another worker may take a claim; the port Generations says when."""
        life = judge(claim["scope"], claim["pid"], claim["started"])
        if life is Life.DEAD:
            return True
        if claim["is_in_lease"]:
            return False
        if claim["is_in_call"] and life is Life.UNKNOWN:
            # A process that takes a task over only asks for it, which is free.
            return claim["has_task"] or self.lapsed.may_take_over(
                claim["token"], claim["lease_until"]
            )
        return not claim["is_in_call"]


def _judge_processes(connection: Connection) -> None:
    """Tell the transaction which holders of claims are alive, as far as this process can know."""
    scope = this_process().scope
    lives: dict[str, str] = {}
    if scope is not None:
        for pid, started in connection.execute(_PROCESSES, {"scope": scope}).fetchall():
            lives[f"{scope} {pid} {started}"] = judge(scope, pid, started).value
    connection.execute(_SET_LIVES, {"lives": json.dumps(lives)})
