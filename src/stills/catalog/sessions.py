"""Sessions of browsers, in the catalog's database."""

from stills.catalog.api_keys import ALL_KEYS, read_key
from stills.catalog.connection import Connection, Database
from stills.contract.access import ApiKey

_FORGET = "DELETE FROM sessions WHERE expires_at < unix_now()"
_BEGIN = """
INSERT INTO sessions (digest, key_id, expires_at) VALUES (:digest, :key_id, unix_now() + :seconds)
"""
_FIND = f"""
{ALL_KEYS}
WHERE id = (SELECT key_id FROM sessions WHERE digest = :digest AND expires_at >= unix_now())
"""  # noqa: S608 - our own text
_END = "DELETE FROM sessions WHERE digest = :digest"


class SqlSessions:
    """Implements the port Sessions."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, digest: str, key: ApiKey, *, seconds: float) -> None:
        values = {"digest": digest, "key_id": key.id, "seconds": seconds}

        def work(connection: Connection) -> None:
            connection.execute(_FORGET)
            connection.execute(_BEGIN, values)

        await self._database.write(work)

    async def find_key(self, digest: str) -> ApiKey | None:
        def work(connection: Connection) -> ApiKey | None:
            row = connection.execute(_FIND, {"digest": digest}).fetchone()
            return None if row is None else read_key(row)

        return await self._database.read(work)

    async def end(self, digest: str) -> None:
        await self._database.write(lambda one: one.execute(_END, {"digest": digest}) and None)
