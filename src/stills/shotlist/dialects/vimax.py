"""ViMax storyboards: rows with `ff_desc` or `visual_desc`, and characters by their number.

ViMax writes `storyboard.json` (a list of shots) and `characters.json` beside it, and below them
`shots/0/shot_description.json` (one shot), and so on. It draws frames of 1600 by 900. Facts are
those of its `pipelines/script2video_pipeline.py`.
"""

from collections.abc import Mapping
from pathlib import Path

from stills.contract.errors import InvalidRequest
from stills.shotlist.dialects.stills import read_cast
from stills.shotlist.input_file import Source
from stills.shotlist.json_reader import parse_json
from stills.shotlist.project import Project, number_rows
from stills.shotlist.row import Located, Row
from stills.shotlist.shots import Defaults

DEFAULT_SIZE = "1600*900"
CHARACTERS_FILE = "characters.json"
CHARACTERS_COLUMN = "ff_vis_char_idxs"
SHOTS_FOLDER = "shots"
_MARKS = ("ff_desc", "visual_desc")
_LISTS = ("shots", "storyboard", "shot_descriptions")


def find_vimax_shots(document: object) -> list[object] | None:
    """Find the shots if a document is ViMax's: a list of them, one alone, or a list by name."""
    if isinstance(document, Mapping):
        if any(mark in document for mark in _MARKS):
            return [document]
        document = next((document[key] for key in _LISTS if key in document), None)
    if not isinstance(document, list):
        return None
    first = next((row for row in document if isinstance(row, Mapping)), {})
    return document if any(mark in first for mark in _MARKS) and "idx" in first else None


def read_vimax(document: object, shots: list[object], *, name: str, folder: Path) -> Project | None:
    """Read a storyboard; None if its mapping holds what only our own shot lists have.

    Raises:
        InvalidRequest: its characters are no list, or their file can't be read.
    """
    outer = document if isinstance(document, Mapping) and shots != [document] else {}
    if outer.keys() - {"characters", *_LISTS}:
        return None
    characters = outer.get("characters")
    found_in = None
    if characters is None:
        characters, found_in = _characters_near(folder)
    rows = number_rows(shots, name)
    if characters is None:
        return _without_cast(rows, name)
    if not isinstance(characters, list):
        raise InvalidRequest(
            f"{found_in or name} has no list of characters", action="Give what ViMax wrote."
        )
    names = _names(characters)
    members = {names[number]: _member(character) for number, character in _numbered(characters)}
    # Those who are only heard have no features, and no shot shows them.
    seen = {member_name: member for member_name, member in members.items() if member["prompt"]}
    cast, problems = read_cast(seen, name=found_in or name, folder=folder)
    return Project(
        rows=[row._replace(values=_rename(row.values, names)) for row in rows],
        defaults=Defaults(size=DEFAULT_SIZE),
        cast=cast,
        problems=tuple(problems),
        notes=(f"the cast is read from {found_in}",) if found_in else (),
    )


def _characters_near(folder: Path) -> tuple[object, str | None]:
    """Read the characters beside the file, or two folders above a shot's own description."""
    folder = folder.absolute()
    places = [CHARACTERS_FILE]
    if folder.parent.name == SHOTS_FOLDER:
        places.append(f"../../{CHARACTERS_FILE}")
    for place in places:
        if (folder / place).is_file():
            return parse_json(Source(folder / place).document(), place), place
    return None, None


def _without_cast(rows: list[Row], name: str) -> Project:
    """Draw what the shots say alone; whom they name by number can't be known."""
    named = any(
        isinstance(row.values, Mapping) and row.values.get(CHARACTERS_COLUMN) for row in rows
    )
    note = f"{name} names characters by number, and no {CHARACTERS_FILE} was found: all left out"
    rows = [row._replace(values=_leave_out_characters(row.values)) for row in rows]
    return Project(rows=rows, defaults=Defaults(size=DEFAULT_SIZE), notes=(note,) * named)


def _leave_out_characters(values: object) -> object:
    if not isinstance(values, Mapping):
        return values
    return {column: value for column, value in values.items() if column != CHARACTERS_COLUMN}


def _numbered(characters: list[object]) -> list[tuple[str, Mapping[str, object]]]:
    return [
        (str(character.get("idx", position)), character)
        for position, character in enumerate(characters)
        if isinstance(character, Mapping)
    ]


def _names(characters: list[object]) -> dict[str, str]:
    names: dict[str, str] = {}
    for number, character in _numbered(characters):
        name = str(character.get("identifier_in_scene") or number).strip().strip("<>")
        names[number] = f"{name}-{number}" if name in names.values() else name
    return names


def _member(character: Mapping[str, object]) -> Located:
    features = (character.get("static_features"), character.get("dynamic_features"))
    written = [text.strip() for text in features if isinstance(text, str) and text.strip()]
    member = Located(prompt=" ".join(written))
    member.line = character.line if isinstance(character, Located) else 0
    return member


def _rename(values: object, names: Mapping[str, str]) -> object:
    if not isinstance(values, Mapping) or not isinstance(values.get(CHARACTERS_COLUMN), list):
        return values
    idxs = values[CHARACTERS_COLUMN]
    return {**values, CHARACTERS_COLUMN: [names.get(str(idx), idx) for idx in idxs]}
