"""Resuming what an interrupted worker left, or starting a new generation."""

import secrets

from stills.catalog import queries
from stills.catalog.connection import Connection
from stills.catalog.rows import generation_columns, read_generation
from stills.contract.generation import Generation, GenerationSpec, Stage


def resume_or_add(
    connection: Connection, spec: GenerationSpec, now: float, *, fresh: bool, fresh_key: str | None
) -> tuple[Generation, tuple[str, ...]]:
    """Resume what an interrupted worker has paid for or has a task of, or start a new generation.

    With `fresh`, only what was started with the same `fresh_key` is resumed. Also returns the ids
    of such generations that were sent and never journalled as stored.
    """
    notes: list[str] = []
    cut_off: list[str] = []
    for row in connection.execute(queries.UNFINISHED, {"key": spec.key}).fetchall():
        left = read_generation(row)
        is_ours = not fresh or (fresh_key is not None and row["fresh_key"] == fresh_key)
        if left.stage is Stage.SPOOLED or _may_open(left):
            if is_ours:
                return left, ()
            continue
        if left.stage is Stage.SENT and left.task is not None:
            if is_ours:
                return left, (left.id, *cut_off)
            continue
        connection.execute(queries.FAIL, {"id": left.id})
        if is_ours and left.stage is not Stage.CLAIMED:
            cut_off.append(left.id)
        if connection.execute(queries.POSSIBLY_BILLED, {"id": left.id}).fetchone():
            notes.append("An earlier attempt was interrupted after it was sent; it may be billed.")
        if left.stage is Stage.ANSWERED:
            notes.append("An earlier image was billed, but its link expired before the download.")
    generation = Generation(secrets.token_hex(6), spec, Stage.CLAIMED, now, tuple(notes))
    connection.execute(queries.ADD_GENERATION, generation_columns(generation, fresh_key=fresh_key))
    return generation, tuple(cut_off)


def _may_open(generation: Generation) -> bool:
    """Return whether a link may work; an expired one may, because our clock may be fast."""
    answer = generation.answer
    return generation.stage is Stage.ANSWERED and answer is not None and answer.expires_at > 0.0
