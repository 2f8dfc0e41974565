"""Answers by idempotency key, in the catalog's database."""

from stills.catalog.connection import Connection, Database
from stills.contract.access import IdempotencyRecord

LIFETIME_SECONDS = 86_400.0

_FORGET = "DELETE FROM replies WHERE created_at < unix_now() - :lifetime_seconds"
_BEGIN = """
INSERT INTO replies (owner, key, digest, created_at) VALUES (:owner, :key, :digest, unix_now())
ON CONFLICT DO NOTHING
"""
_READ = "SELECT digest, answer, created_at FROM replies WHERE owner = :owner AND key = :key"
_FINISH = """
UPDATE replies SET answer = coalesce(answer, :answer) WHERE owner = :owner AND key = :key
RETURNING answer
"""


class SqlIdempotency:
    """Implements the port IdempotencyStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, owner: str, key: str, digest: str) -> IdempotencyRecord:
        values: dict[str, str | float] = {
            "owner": owner,
            "key": key,
            "digest": digest,
            "lifetime_seconds": LIFETIME_SECONDS,
        }

        def work(connection: Connection) -> IdempotencyRecord:
            connection.execute(_FORGET, values)
            connection.execute(_BEGIN, values)
            return IdempotencyRecord(*connection.execute(_READ, values).fetchone())

        return await self._database.write(work)

    async def finish(self, owner: str, key: str, answer: str) -> str:
        values = {"owner": owner, "key": key, "answer": answer}

        def work(connection: Connection) -> str:
            row = connection.execute(_FINISH, values).fetchone()
            # Without a row, the request took longer than a day and its key is free again.
            return answer if row is None else str(row[0])

        return await self._database.write(work)
