"""API keys of our own service, in the catalog's database."""

from dataclasses import asdict, fields

from stills.catalog.connection import Connection, Database, Row
from stills.catalog.queries import LOCK
from stills.contract.access import ApiKey
from stills.contract.money import to_nano_usd, to_usd

BURST_SECONDS = 60.0
"""A key may make this many seconds' worth of requests at once."""

_ROUNDING_SECONDS = 1e-3

_COLUMN = {"day_usd": "day_nano_usd"}
_COLUMNS = tuple(_COLUMN.get(field.name, field.name) for field in fields(ApiKey))
ALL_KEYS = f"SELECT {', '.join(_COLUMNS)} FROM api_keys"  # noqa: S608 - our own columns
_ADD = f"""
INSERT INTO api_keys ({", ".join(_COLUMNS)})
VALUES ({", ".join(f":{column}" for column in _COLUMNS)})
ON CONFLICT DO NOTHING
RETURNING id
"""  # noqa: S608 - our own columns
_TURN = "SELECT next_turn_at, coalesce(:now, unix_now()) FROM api_keys WHERE id = :id"
_REVOKE = """
UPDATE api_keys SET revoked_at = :now WHERE name = :name AND revoked_at IS NULL RETURNING id
"""


class SqlApiKeys:
    """Implements the port ApiKeys."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, key: ApiKey) -> bool:
        def work(connection: Connection) -> bool:
            return connection.execute(_ADD, _columns(key)).fetchone() is not None

        return await self._database.write(work)

    async def find(self, key_id: str) -> ApiKey | None:
        def work(connection: Connection) -> ApiKey | None:
            row = connection.execute(f"{ALL_KEYS} WHERE id = :id", {"id": key_id}).fetchone()
            return None if row is None else read_key(row)

        return await self._database.read(work)

    async def list(self) -> tuple[ApiKey, ...]:
        def work(connection: Connection) -> tuple[ApiKey, ...]:
            rows = connection.execute(f"{ALL_KEYS} ORDER BY created_at, id")
            return tuple(read_key(row) for row in rows)

        return await self._database.read(work)

    async def revoke(self, name: str, *, now: float) -> bool:
        def work(connection: Connection) -> bool:
            row = connection.execute(_REVOKE, {"name": name, "now": now}).fetchone()
            return row is not None

        return await self._database.write(work)

    async def take_slot(self, key: ApiKey, *, now: float | None = None) -> float:
        if key.per_second is None:
            return 0.0
        interval_seconds = 1.0 / key.per_second
        burst_seconds = max(0.0, BURST_SECONDS - interval_seconds)

        def work(connection: Connection) -> float:
            connection.execute(LOCK, {"name": f"slots of {key.id}"})
            next_turn_at, at = connection.execute(_TURN, {"id": key.id, "now": now}).fetchone()
            # A clock that is set back must not block a key for longer than one interval.
            due_at = min(max(next_turn_at, at), at + burst_seconds + interval_seconds)
            early_seconds = due_at - at - burst_seconds
            if early_seconds > _ROUNDING_SECONDS:
                return float(early_seconds)
            connection.execute(
                "UPDATE api_keys SET next_turn_at = :at WHERE id = :id",
                {"at": due_at + interval_seconds, "id": key.id},
            )
            return 0.0

        return await self._database.write(work, synced=False)


def _columns(key: ApiKey) -> dict[str, object]:
    columns = asdict(key)
    day_usd = columns.pop("day_usd")
    return columns | {"day_nano_usd": None if day_usd is None else to_nano_usd(day_usd)}


def read_key(row: Row) -> ApiKey:
    """Read a row of ALL_KEYS."""
    columns = dict(row)
    nano_usd = columns.pop("day_nano_usd")
    return ApiKey(**columns, day_usd=None if nano_usd is None else to_usd(nano_usd))
