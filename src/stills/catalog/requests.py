"""Records of answered requests."""

import hashlib
import json
import time
from collections.abc import Sequence

from stills.catalog import queries
from stills.catalog.connection import Connection
from stills.catalog.rows import rendition_columns
from stills.contract.generation import Rendition, RequestRecord


def record_requests(
    connection: Connection, answered: Sequence[tuple[Rendition, RequestRecord]]
) -> None:
    """Record renditions and the requests that they answer, and count the answers.

    A generation's first answer is the paid one, for any caller; all others are saved.
    """
    rows = [_request_row(rendition, request) for rendition, request in answered]
    # Always in the same order, so that two transactions can't wait for each other's rows.
    rows.sort(key=lambda row: (row["generation_id"], row["width"], row["height"], row["key"]))
    connection.executemany(queries.ADD_RENDITION, rows)
    connection.executemany(queries.ADD_REQUEST, rows)
    connection.executemany(queries.COUNT_ANSWER, rows)


def _request_row(
    rendition: Rendition, request: RequestRecord
) -> dict[str, str | int | float | None]:
    values: dict[str, str | int | float | None] = {
        "generation_id": rendition.generation_id,
        "width": rendition.size.width,
        "height": rendition.size.height,
        "prompt": request.prompt,
        "negative_prompt": request.negative_prompt,
        "style": request.style,
        "seed": request.seed,
        "reference": "\n".join(request.references) or None,
    }
    digest = hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
    return {
        **values,
        **rendition_columns(rendition),
        "key": digest,
        "now": time.time(),
    }
