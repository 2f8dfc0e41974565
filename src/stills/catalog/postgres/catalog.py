"""The catalog on Postgres."""

import json
from collections.abc import Sequence

from stills.catalog.connection import Connection
from stills.catalog.postgres import schema
from stills.catalog.postgres.database import PostgresDatabase
from stills.catalog.postgres.lapsed import LapsedClaims
from stills.catalog.processes import judge, this_process
from stills.catalog.queries import LOCK
from stills.catalog.search import TextSearch
from stills.catalog.sql import SqlCatalog
from stills.contract.generation import Generation, Held
from stills.contract.postgres_url import PostgresUrl

# Every statement sees what others have committed since the one before. So whatever decides about a
# claim is locked first: then it stays as it is until the transaction ends.
_LOCK_CLAIM = "SELECT 1 FROM claims WHERE key = :key FOR UPDATE"
_LOCK_UNFINISHED = """
SELECT 1 FROM generations
WHERE key = :key AND stage IN ('claimed', 'sent', 'answered', 'spooled')
ORDER BY sequence
FOR NO KEY UPDATE
"""

# Only a process of the same scope can be judged.
_PROCESSES = "SELECT DISTINCT pid, started FROM claims WHERE scope = :scope"
_SET_LIVES = "SELECT set_config('stills.lives', :lives, TRUE)"

_LAPSED_IN_CALL = """
SELECT c.* FROM claims AS c JOIN generations AS g ON g.id = c.generation_id
WHERE c.key = :key AND g.stage = 'sent'
  AND life_of(c.scope, c.pid, c.started, c.lock_byte) = 'unknown'
  AND EXISTS (SELECT 1 FROM sends WHERE generation_id = g.id AND settled_at IS NULL)
"""


def _like(text: str) -> str:
    """Return the pattern of LIKE for any text that contains this one."""
    for special in ("\\", "%", "_"):
        text = text.replace(special, f"\\{special}")
    return f"%{text}%"


_LIKE = TextSearch(condition="p.prompt LIKE :pattern", pattern=_like, join="JOIN", min_characters=0)


class PostgresCatalog(SqlCatalog):
    """Implements the port Catalog; the first use creates the schema `stills`."""

    def __init__(self, url: PostgresUrl) -> None:
        self._lapsed = LapsedClaims()
        self._server = PostgresDatabase(url, on_failure=self._lapsed.forget)
        super().__init__(self._server, _LIKE)

    async def migrate(self) -> int:
        return await self._server.migrate()

    async def list_unfinished(self) -> Sequence[Generation]:
        def work(connection: Connection) -> Sequence[Generation]:
            _judge_processes(connection)
            return self._list_unfinished(connection)

        return await self.database.write(work, synced=False)

    async def set_aside_if_damaged(self) -> str | None:
        await self._server.check_writable()
        return None

    def _prepare_paid_step(self, connection: Connection, keys: Sequence[str]) -> None:
        schema.check_version(connection, self._server.url)
        for key in sorted(set(keys)):
            connection.execute(LOCK, {"name": f"key {key}"})
            connection.execute(_LOCK_CLAIM, {"key": key})
            connection.execute(_LOCK_UNFINISHED, {"key": key})
        _judge_processes(connection)

    def _find_holder(self, connection: Connection, key: str) -> Held | None:
        held = super()._find_holder(connection, key)
        if held is not None:
            return held
        row = connection.execute(_LAPSED_IN_CALL, {"key": key}).fetchone()
        if row is None or self._lapsed.may_take_over(row["token"], row["lease_until"]):
            return None
        return Held(host=row["host"], pid=row["pid"], since=row["taken_at"])


def _judge_processes(connection: Connection) -> None:
    """Tell the transaction which holders of claims are alive, as far as this process can know."""
    scope = this_process().scope
    lives: dict[str, str] = {}
    if scope is not None:
        for pid, started in connection.execute(_PROCESSES, {"scope": scope}).fetchall():
            lives[f"{scope} {pid} {started}"] = judge(scope, pid, started).value
    connection.execute(_SET_LIVES, {"lives": json.dumps(lives)})
