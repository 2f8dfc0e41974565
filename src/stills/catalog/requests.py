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
    rows = request_rows(answered)
    connection.executemany(queries.ADD_RENDITION, rows)
    connection.executemany(queries.ADD_REQUEST, rows)
    connection.executemany(queries.COUNT_ANSWER, rows)


def request_rows(
    answered: Sequence[tuple[Rendition, RequestRecord]],
) -> list[dict[str, str | int | float | None]]:
    """Return answered requests as columns of `renditions` and `requests`, and the time as `now`."""
    return [_request_row(rendition, request) for rendition, request in answered]


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
