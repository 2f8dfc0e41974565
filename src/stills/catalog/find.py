"""Find the stored generation of a key."""

from stills.catalog import queries
from stills.catalog.connection import Connection
from stills.catalog.rows import read_generation, read_hit
from stills.contract.generation import CatalogHit, CatalogMiss, Generation
from stills.contract.size import Size


def find(connection: Connection, key: str, size: Size) -> CatalogHit | None:
    """Return the newest stored generation of a key, with its rendition at `size`."""
    values = {"key": key, "width": size.width, "height": size.height}
    row = connection.execute(queries.FIND, values).fetchone()
    return None if row is None else read_hit(row, size)


def look_up(connection: Connection, key: str, size: Size) -> CatalogHit | CatalogMiss:
    """Return the same; if there is none, when one was deleted."""
    hit = find(connection, key, size)
    if hit is not None:
        return hit
    return CatalogMiss(connection.execute(queries.LAST_DELETED, {"key": key}).fetchone()[0])


def find_fresh(
    connection: Connection, key: str, size: Size, fresh_key: str | None
) -> CatalogHit | None:
    """Return the same of those that were started with `fresh_key`; None without one."""
    if fresh_key is None:
        return None
    values = {"key": key, "width": size.width, "height": size.height, "fresh_key": fresh_key}
    row = connection.execute(queries.FIND_FRESH, values).fetchone()
    return None if row is None else read_hit(row, size)


def find_generation(connection: Connection, generation_id: str) -> Generation | None:
    """Find a generation in any stage."""
    row = connection.execute(queries.GENERATION, {"generation_id": generation_id}).fetchone()
    return None if row is None else read_generation(row)
