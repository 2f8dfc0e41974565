"""Answered requests: those of many callers in four statements."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from stills.catalog.connection import Connection
from stills.catalog.requests import request_rows
from stills.contract.generation import Rendition, RequestRecord

# The server does not know how few rows these are. Only as subqueries of one value are the tables
# certain to be read by an index, and not as a whole.
_ROWS = """
WITH answered AS (
    SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS answered (
        generation_id TEXT, width INTEGER, height INTEGER, sha256 TEXT, byte_count BIGINT,
        object_path TEXT, key TEXT, prompt TEXT, negative_prompt TEXT, style TEXT, seed BIGINT,
        reference TEXT, now DOUBLE PRECISION
    )
)
"""

# Most images are known, and a row that stays as it is need not be locked.
_ADD_RENDITIONS = f"""{_ROWS}
INSERT INTO renditions (
    generation_id, width, height, sha256, byte_count, object_path, created_at
)
SELECT DISTINCT ON (generation_id, width, height)
    generation_id, width, height, sha256, byte_count, object_path, now
FROM answered AS a
WHERE (
    SELECT r.sha256 = a.sha256 AND r.object_path = a.object_path FROM renditions AS r
    WHERE (r.generation_id, r.width, r.height) = (a.generation_id, a.width, a.height)
) IS NOT TRUE
ORDER BY generation_id, width, height, now DESC
ON CONFLICT (generation_id, width, height) DO UPDATE SET
    sha256 = excluded.sha256,
    byte_count = excluded.byte_count,
    object_path = excluded.object_path
"""  # noqa: S608 - our own text

_ADD_REQUESTS = f"""{_ROWS}
INSERT INTO requests (
    key, generation_id, width, height, prompt, negative_prompt, style, seed, reference,
    first_asked_at
)
SELECT DISTINCT ON (key)
    key, generation_id, width, height, prompt, negative_prompt, style, seed, reference, now
FROM answered AS a
WHERE (SELECT TRUE FROM requests AS q WHERE q.key = a.key) IS NULL
ORDER BY key, now
ON CONFLICT (key) DO NOTHING
"""  # noqa: S608 - our own text

# Two processes that give the first answers of a generation must not both count them as paid.
_LOCK_UNANSWERED = """
SELECT 1 FROM generations AS g
WHERE g.id = ANY(CAST(:ids AS TEXT[])) AND (
    SELECT TRUE FROM requests AS q JOIN answers AS s ON s.request_key = q.key
    WHERE q.generation_id = g.id
    LIMIT 1
) IS NULL
ORDER BY g.id
FOR NO KEY UPDATE
"""

_COUNT_ANSWERS = f"""{_ROWS},
ranked AS (
    SELECT a.key, date(unix_now(), 'unixepoch') AS day,
        row_number() OVER (PARTITION BY a.generation_id ORDER BY a.now, a.key) = 1
        AND (
            SELECT TRUE FROM requests AS q JOIN answers AS s ON s.request_key = q.key
            WHERE q.generation_id = a.generation_id
            LIMIT 1
        ) IS NULL AS is_paid
    FROM answered AS a
)
INSERT INTO answers (request_key, day, paid, cached)
SELECT key, day, count(*) FILTER (WHERE is_paid), count(*) FILTER (WHERE NOT is_paid)
FROM ranked
GROUP BY key, day
ORDER BY key, day
ON CONFLICT (request_key, day) DO UPDATE SET
    paid = answers.paid + excluded.paid,
    cached = answers.cached + excluded.cached
"""  # noqa: S608 - our own text


def record_answers(
    connection: Connection, answered: Sequence[tuple[Rendition, RequestRecord]]
) -> None:
    """Record renditions and the requests that they answer, and count the answers.

    Each statement takes its rows in an order that all processes share, so none waits for another
    that waits for it.
    """
    values: Mapping[str, Any] = {
        "rows": json.dumps(request_rows(answered), ensure_ascii=False),
        "ids": [rendition.generation_id for rendition, _ in answered],
    }
    connection.execute(_ADD_RENDITIONS, values)
    connection.execute(_ADD_REQUESTS, values)
    connection.execute(_LOCK_UNANSWERED, values)
    connection.execute(_COUNT_ANSWERS, values)
