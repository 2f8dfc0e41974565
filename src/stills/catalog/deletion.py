"""Delete stored images from the catalog. The ledger keeps their calls."""

from collections.abc import Sequence

from stills.catalog.connection import Connection

_OBJECTS = """
SELECT object_path FROM generations WHERE id = :id AND object_path IS NOT NULL
UNION
SELECT object_path FROM renditions WHERE generation_id = :id
ORDER BY object_path
"""

# Totals count answers as they are added, so what was saved stays counted.
_DELETE = (
    """
    DELETE FROM answers
    WHERE request_key IN (SELECT key FROM requests WHERE generation_id = :id)
    """,
    "DELETE FROM requests WHERE generation_id = :id",
    "DELETE FROM renditions WHERE generation_id = :id",
    """
    UPDATE generations
    SET stage = 'failed', sha256 = NULL, byte_count = NULL, object_path = NULL,
        deleted_at = unix_now()
    WHERE id = :id AND stage = 'kept'
    """,
)


def list_generation_objects(connection: Connection, generation_id: str) -> Sequence[str]:
    """List the paths of a generation's images in all sizes."""
    return [row["object_path"] for row in connection.execute(_OBJECTS, {"id": generation_id})]


def delete_generation(connection: Connection, generation_id: str) -> None:
    """Delete a stored generation in all sizes, and forget who asked for it."""
    for statement in _DELETE:
        connection.execute(statement, {"id": generation_id})
