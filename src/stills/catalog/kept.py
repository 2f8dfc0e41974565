"""Images that are stored: journal them, index their prompts, and settle the calls for them."""

from collections.abc import Mapping, Sequence

from stills.catalog import queries
from stills.catalog.connection import Connection
from stills.catalog.rows import generation_columns, rendition_columns
from stills.contract.generation import Generation, Rendition, Stage


def settle_paid(connection: Connection, generation_id: str, code: str) -> None:
    """Settle the last call of a generation that has its image, but no recorded answer."""
    connection.execute(queries.SETTLE_PAID, {"id": generation_id, "code": code})


def record_kept(connection: Connection, kept: Mapping[str, str | int | None]) -> None:
    """Journal a generation as stored; `kept` has its id and the columns to set."""
    # In the same step, because a stored generation is never taken over: the claim of a process
    # killed in between would stay forever.
    connection.execute(queries.DROP_CLAIM_ON_KEPT, kept)
    connection.execute(queries.RECORD_KEPT, kept)
    row = connection.execute(queries.PROMPT, kept).fetchone()
    if row is not None:
        connection.execute(queries.INDEX_PROMPT, {**kept, "folded": row["prompt"].casefold()})


def adopt(connection: Connection, generation: Generation, renditions: Sequence[Rendition]) -> bool:
    """Add a stored generation and its renditions; return whether it was not known as stored.

    An imported one was paid for in another catalog, so this ledger has no call for it.
    """
    values = {"id": generation.id, "created_at": generation.created_at}
    known = connection.execute(queries.STAGE, values).fetchone()
    adopted = known is None or known["stage"] != Stage.KEPT
    if known is None:
        connection.execute(queries.ADD_GENERATION, generation_columns(generation))
    if adopted:
        connection.execute(queries.RECORD_ADOPTED, generation_columns(generation))
        record_kept(
            connection,
            {
                "generation_id": generation.id,
                "sha256": generation.sha256,
                "byte_count": generation.byte_count,
                "object_path": generation.object_path,
            },
        )
        if not generation.is_imported:
            settle_paid(connection, generation.id, "adopted")
            connection.execute(queries.ADD_ADOPTED_SEND, values)
    listed = connection.execute(queries.HAS_RENDITION, values).fetchone() is not None
    for rendition in renditions:
        if listed and not adopted and rendition.object_path == generation.object_path:
            continue  # a generation's own image is stored even if its size was never requested
        connection.execute(
            queries.ADD_RENDITION, {**rendition_columns(rendition), "now": generation.created_at}
        )
    return adopted
