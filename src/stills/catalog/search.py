"""Pages of stored images. A page starts after an image, not at an offset, so none is repeated."""

import re
from collections.abc import Sequence
from typing import Any

from stills.catalog.connection import Connection, TextSearch
from stills.catalog.queries import IMAGES
from stills.catalog.rows import read_image
from stills.contract.errors import InvalidRequest
from stills.contract.generation import Image
from stills.contract.search import ImageLabels, ImagePage, ImageSearch
from stills.contract.size import Size

# Each filter that is given adds its condition.
_FILTERS = {
    "model": "g.model = :model",
    "provider": "g.provider = :provider",
    "style": "g.style = :style",
    "seed": "g.seed = :seed",
    "prompt": "g.prompt = :prompt",
    "since": "g.created_at >= :since",
    "before": "g.created_at < :before",
    "older_than": "g.sequence < (SELECT sequence FROM generations WHERE id = :older_than)",
    "newer_than": "g.sequence > (SELECT sequence FROM generations WHERE id = :newer_than)",
}
_CONTAINS = "instr(folded(g.prompt), :{name}) > 0"

_INDEXED_MAX_CHARACTERS = 100
"""Of an exact prompt, this much is looked up in the index."""

# Renditions after the cursor.
_AFTER = "(g.sequence < :sequence OR (r.width, r.height) > (:width, :height))"
_LARGEST = """NOT EXISTS (
    SELECT 1 FROM renditions AS larger
    WHERE larger.generation_id = r.generation_id
      AND (larger.width, larger.height) > (r.width, r.height)
)"""

# First the generations of the page, so that only their renditions are sorted: the database finds
# generations in their order by an index, but not generations with renditions.
_PAGE = f"""
WITH page (sequence) AS (
    SELECT {{sequence}}
    FROM {{tables}}
    WHERE {{conditions}}
      AND {{sequence}} <= :sequence
      AND EXISTS (SELECT 1 FROM renditions AS r WHERE r.generation_id = g.id AND {_AFTER})
    ORDER BY {{sequence}} {{order}}
    LIMIT :limit
)
{IMAGES}
WHERE g.sequence IN (SELECT sequence FROM page) AND {_AFTER} AND {{renditions}}
ORDER BY g.sequence {{order}}, r.width, r.height
LIMIT :limit
"""  # noqa: S608 - our own text

# Each value is found by the index of its column, so that not every row is read.
_LABELS = """
WITH RECURSIVE label (value) AS (
    SELECT min({column}) FROM generations WHERE {column} IS NOT NULL
    UNION ALL
    SELECT (SELECT min({column}) FROM generations WHERE {column} > value)
    FROM label WHERE value IS NOT NULL
)
SELECT value FROM label WHERE value IS NOT NULL LIMIT :limit
"""
_EXACT = f"{IMAGES} WHERE g.id = :id AND r.width = :width AND r.height = :height"

_ID = re.compile(r"([0-9a-f]{12})-([0-9]{1,8})x([0-9]{1,8})", re.ASCII)
_CURSOR = re.compile(r"([0-9]{1,18})-([0-9]{1,8})-([0-9]{1,8})", re.ASCII)
_NEWEST = (2**63 - 1, 0, 0)


def search_images(
    connection: Connection,
    search: ImageSearch,
    text_search: TextSearch,
    *,
    limit: int,
    cursor: str | None,
) -> ImagePage:
    """List one page.

    Raises:
        InvalidRequest: the cursor is invalid.
    """
    sequence, width, height = _read_cursor(cursor)
    query, values = _query(search, text_search)
    values |= {"sequence": sequence, "width": width, "height": height, "limit": limit + 1}
    rows = connection.execute(query, values).fetchall()
    page = rows[:limit]
    if search.newer_than is not None:
        return ImagePage([read_image(row) for row in reversed(page)], None)
    next_cursor = None
    if len(rows) > limit:
        last = page[-1]
        next_cursor = f"{last['sequence']}-{last['width']}-{last['height']}"
    return ImagePage([read_image(row) for row in page], next_cursor)


def list_labels(connection: Connection, *, limit: int) -> ImageLabels:
    """List the models and the styles of images."""

    def list_values(column: str) -> Sequence[str]:
        statement = _LABELS.format(column=column)
        return sorted(row[0] for row in connection.execute(statement, {"limit": limit}).fetchall())

    return ImageLabels(list_values("model"), list_values("style"))


def _query(search: ImageSearch, text_search: TextSearch) -> tuple[str, dict[str, Any]]:
    """Return the query for the filters that are given, and its values."""
    given = [sql for name, sql in _FILTERS.items() if getattr(search, name) is not None]
    values = {name: getattr(search, name) for name in _FILTERS}
    tables, sequence = "generations AS g", "g.sequence"
    for number, text in enumerate(_list_texts(search)):
        name = f"text_{number}"
        if len(text) >= text_search.min_characters and "\0" not in text:
            values[name] = text_search.pattern(text)
            given.append(text_search.condition.replace(":pattern", f":{name}"))
            tables = f"prompts AS p {text_search.join} generations AS g ON g.sequence = p.rowid"
            sequence = "p.rowid"
        elif text_search.min_characters:
            values[name] = text
            given.append(_CONTAINS.format(name=name))
        else:
            given.append("FALSE")
    return (
        _PAGE.format(
            tables=tables,
            sequence=sequence,
            conditions=" AND ".join([*given, "TRUE"]),
            renditions=_LARGEST if search.largest_only else "TRUE",
            order="DESC" if search.newer_than is None else "ASC",
        ),
        values,
    )


def _list_texts(search: ImageSearch) -> list[str]:
    """List what prompts must contain, with case folded."""
    texts = [search.text, *search.words]
    if search.prompt is not None:
        beginning = search.prompt.partition("\0")[0][:_INDEXED_MAX_CHARACTERS]
        texts.append(beginning or None)
    return [text.casefold() for text in texts if text is not None]


def find_image(connection: Connection, image_id: str) -> Image | None:
    """Look up an image by its complete id."""
    parts = _ID.fullmatch(image_id)
    if parts is None:
        return None
    size = Size(int(parts[2]), int(parts[3]))
    values = {"id": parts[1], "width": size.width, "height": size.height}
    row = connection.execute(_EXACT, values).fetchone()
    image = None if row is None else read_image(row)
    # 0512x512 is not a valid way to write 512x512.
    return image if image is not None and image.rendition.id == image_id else None


def _read_cursor(cursor: str | None) -> tuple[int, int, int]:
    if cursor is None:
        return _NEWEST
    parts = _CURSOR.fullmatch(cursor)
    if parts is None:
        raise InvalidRequest(
            "cursor is invalid",
            field="cursor",
            action="Use next_cursor from the previous page, or leave it out.",
        )
    return int(parts[1]), int(parts[2]), int(parts[3])
