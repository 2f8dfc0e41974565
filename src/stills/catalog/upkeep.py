"""Pages of what upkeep goes through: unfinished generations, and the objects of the store."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from stills.catalog import queries
from stills.catalog.connection import Connection
from stills.catalog.rows import read_generation
from stills.contract.generation import Generation, StoredObject

if TYPE_CHECKING:
    from stills.contract.upkeep import StoredGeneration

PAGE = 1000  # generations


def read_unfinished(connection: Connection, after: str | None) -> Sequence[Generation]:
    """Read a page of generations that an interrupted worker left."""
    rows = connection.execute(queries.ALL_UNFINISHED, {"after": after, "limit": PAGE})
    return [read_generation(row) for row in rows]


def read_objects(connection: Connection, after: str | None) -> Sequence[StoredObject]:
    """Read the objects of a page of generations."""
    rows = connection.execute(queries.OBJECTS, {"after": after, "limit": PAGE})
    return [
        StoredObject(row["object_path"], row["sha256"], row["owner"], row["generation_id"])
        for row in rows
    ]


def read_older_than(
    connection: Connection, before: float, after: str | None
) -> "Sequence[StoredGeneration]":
    """Read a page of generations that were created before a time."""
    from stills.contract.upkeep import StoredGeneration  # noqa: PLC0415 - rarely used

    values = {"before": before, "after": after, "limit": PAGE}
    rows = connection.execute(queries.OLDER_THAN, values)
    return [StoredGeneration(row["id"], row["created_at"], row["byte_count"]) for row in rows]


def find_unknown(connection: Connection, named: Mapping[str, str]) -> Sequence[str]:
    """Find the paths that no object has; each is mapped to the generation in its name."""

    def is_known(path: str, generation_id: str) -> bool:
        values = {"path": path, "generation_id": generation_id}
        return connection.execute(queries.HAS_OBJECT, values).fetchone() is not None

    return [path for path, owner in named.items() if not is_known(path, owner)]
