"""What the catalog remembers of answered requests."""

import hashlib
import json
import sqlite3
import time
from collections.abc import Sequence

from stills.catalog import queries
from stills.catalog.rows import rendition_columns
from stills.contract.generation import Rendition, RequestRecord


def record_requests(
    connection: sqlite3.Connection, answered: Sequence[tuple[Rendition, RequestRecord]]
) -> None:
    """Remember renditions and the requests that they answer, and count the answers.

    The first answer out of a generation is what was paid for, whoever gets it; all others are
    saved.
    """
    rows = [_request_row(rendition, asked) for rendition, asked in answered]
    connection.executemany(queries.ADD_RENDITION, rows)
    connection.executemany(queries.ADD_REQUEST, rows)
    connection.executemany(queries.COUNT_ANSWER, rows)


def _request_row(rendition: Rendition, asked: RequestRecord) -> dict[str, str | int | float | None]:
    facts: dict[str, str | int | float | None] = {
        "generation_id": rendition.generation_id,
        "width": rendition.size.width,
        "height": rendition.size.height,
        "prompt": asked.prompt,
        "negative_prompt": asked.negative_prompt,
        "style": asked.style,
        "seed": asked.seed,
        "reference": asked.reference,
    }
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    return {
        **facts,
        **rendition_columns(rendition),
        "key": digest,
        "now": time.time(),
    }
