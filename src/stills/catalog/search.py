"""Pages of stored images. A page starts after an image, not at an offset, so none is repeated."""

import re

from stills.catalog.connection import Connection, TextSearch
from stills.catalog.queries import IMAGES
from stills.catalog.rows import read_image
from stills.contract.errors import InvalidRequest
from stills.contract.generation import Image
from stills.contract.search import ImagePage, ImageSearch
from stills.contract.size import Size

# Each filter that is given adds its condition.
_FILTERS = {
    "model": "g.model = :model",
    "provider": "g.provider = :provider",
    "style": "g.style = :style",
    "seed": "g.seed = :seed",
}
_CONTAINS = "instr(folded(g.prompt), :text) > 0"

# Renditions after the cursor.
_AFTER = "(g.sequence < :sequence OR (r.width, r.height) > (:width, :height))"

# First the generations of the page, so that only their renditions are sorted: the database finds
# generations in their order by an index, but not generations with renditions.
_PAGE = f"""
WITH page (sequence) AS (
    SELECT {{sequence}}
    FROM {{tables}}
    WHERE {{conditions}}
      AND {{sequence}} <= :sequence
      AND EXISTS (SELECT 1 FROM renditions AS r WHERE r.generation_id = g.id AND {_AFTER})
    ORDER BY {{sequence}} DESC
    LIMIT :limit
)
{IMAGES}
WHERE g.sequence IN (SELECT sequence FROM page) AND {_AFTER}
ORDER BY g.sequence DESC, r.width, r.height
LIMIT :limit
"""  # noqa: S608 - our own text
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
    text = None if search.text is None else search.text.casefold()
    values = {
        "text": text,
        "pattern": None if text is None else text_search.pattern(text),
        "model": search.model,
        "provider": search.provider,
        "style": search.style,
        "seed": search.seed,
        "sequence": sequence,
        "width": width,
        "height": height,
        "limit": limit + 1,
    }
    rows = connection.execute(_query(search, text, text_search), values).fetchall()
    page = rows[:limit]
    next_cursor = None
    if len(rows) > limit:
        last = page[-1]
        next_cursor = f"{last['sequence']}-{last['width']}-{last['height']}"
    return ImagePage([read_image(row) for row in page], next_cursor)


def _query(search: ImageSearch, text: str | None, text_search: TextSearch) -> str:
    """Return the query for the filters that are given."""
    given = [sql for name, sql in _FILTERS.items() if getattr(search, name) is not None]
    tables, sequence = "generations AS g", "g.sequence"
    if text is not None and len(text) >= text_search.min_characters and "\0" not in text:
        tables = f"prompts AS p {text_search.join} generations AS g ON g.sequence = p.rowid"
        sequence = "p.rowid"
        given.append(text_search.condition)
    elif text is not None:
        given.append(_CONTAINS if text_search.min_characters else "FALSE")
    conditions = " AND ".join([*given, "TRUE"])
    return _PAGE.format(tables=tables, sequence=sequence, conditions=conditions)


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
