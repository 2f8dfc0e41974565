"""The columns of film crews: scene and shot, and how the shot is framed."""

from collections.abc import Iterator, Mapping
from functools import lru_cache

from stills.contract.errors import InvalidRequest
from stills.shotlist.columns import find_field
from stills.shotlist.row import Fields, Row
from stills.shotlist.shots import Problem

FRAMING_FIELDS = ("shot_size", "angle", "movement", "lens")
"""In the order in which they are added to a prompt."""


def fill_scenes(rows: Iterator[Row | Problem]) -> Iterator[Row | Problem]:
    """Give each shot without a scene that of the row above: in a sheet, its cells are merged."""
    above: dict[str, object] = {}
    for row in rows:
        if isinstance(row, Problem) or not isinstance(row.values, Mapping):
            above = {}  # it may have started another scene
            yield row
            continue
        columns = tuple(row.values)
        above = {name: row.values[name] for name in _columns_of("scene", columns)} or above
        has_shot = bool(_columns_of("shot", columns))
        yield row._replace(values={**above, **row.values}) if has_shot else row


def combine_id(values: Mapping[str, object]) -> str | None:
    """Combine scene and shot: `1` and `A` are `1A`, `1` and `2` are `1-2`; None without a shot.

    A shot that starts with its scene, such as `1A` of scene `1`, stays as it is.

    Raises:
        InvalidRequest: one of them is neither text nor a whole number.
    """
    scene, shot = _read_text(values, "scene"), _read_text(values, "shot")
    if not scene or not shot:
        return shot or None
    if shot.startswith(scene) and not shot[len(scene) :][:1].isdigit() and shot != scene:
        return shot
    return f"{scene}{shot}" if scene[-1].isdigit() and shot[0].isalpha() else f"{scene}-{shot}"


def frame_prompt(prompt: object, fields: Fields) -> object:
    """Start a prompt with how the shot is framed, such as `Close-up, low angle, 85mm. Anna …`.

    Raises:
        InvalidRequest: a part is neither text nor a whole number.
    """
    parts = [part for name in FRAMING_FIELDS if (part := _read_text(fields.values, name))]
    if not parts or not isinstance(prompt, str):
        return prompt
    return f"{', '.join(part.rstrip('.,;') for part in parts)}. {prompt}"


@lru_cache(maxsize=256)  # most rows of a list have the same columns
def _columns_of(field: str, columns: tuple[object, ...]) -> tuple[str, ...]:
    """Return the columns that belong to a field."""
    texts = [column for column in columns if isinstance(column, str)]
    found = [(column, find_field(column)) for column in texts]
    return tuple(column for column, known in found if known is not None and known.name == field)


def _read_text(values: Mapping[str, object], name: str) -> str:
    given = values.get(name)
    if given is None:
        return ""
    if not isinstance(given, str | int) or isinstance(given, bool):
        raise InvalidRequest(
            f"{name} is neither text nor a whole number", field=name, action="Write it as text."
        )
    return " ".join(str(given).split())
