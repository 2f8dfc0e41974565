"""ViMax storyboards: rows with `ff_desc` or `visual_desc`, and characters by number.

ViMax writes `storyboard.json` (a list of shots) next to `characters.json`, and below them
`shots/0/shot_description.json` (a single shot), and so on. Its frames are 1600 by 900. This follows
its `pipelines/script2video_pipeline.py`.
"""

from collections.abc import Mapping
from pathlib import Path

from stills.contract.errors import InvalidRequest
from stills.shotlist.cast import read_cast
from stills.shotlist.input_file import InputFile
from stills.shotlist.json_reader import parse_json
from stills.shotlist.project import Project, number_rows
from stills.shotlist.row import DictWithLine, Row
from stills.shotlist.shots import Defaults

DEFAULT_SIZE = "1600*900"
CHARACTERS_FILE = "characters.json"
CHARACTERS_COLUMN = "ff_vis_char_idxs"
SHOTS_FOLDER = "shots"
_MARKS = ("ff_desc", "visual_desc")
_LISTS = ("shots", "storyboard", "shot_descriptions")


def find_vimax_shots(document: object) -> list[object] | None:
    """Return the shots of a ViMax document: a list, a single shot, or a list under a key."""
    if isinstance(document, Mapping):
        if any(mark in document for mark in _MARKS):
            return [document]
        document = next((document[key] for key in _LISTS if key in document), None)
    if not isinstance(document, list):
        return None
    first = next((row for row in document if isinstance(row, Mapping)), {})
    return document if any(mark in first for mark in _MARKS) and "idx" in first else None


def read_vimax(document: object, shots: list[object], *, name: str, folder: Path) -> Project | None:
    """Read a storyboard; None if its mapping has fields of our own shot lists.

    Raises:
        InvalidRequest: its characters are not a list, or their file can't be read.
    """
    outer = document if isinstance(document, Mapping) and shots != [document] else {}
    if outer.keys() - {"characters", *_LISTS}:
        return None
    characters = outer.get("characters")
    found_in = None
    if characters is None:
        characters, found_in = _find_characters(folder)
    rows = number_rows(shots, name)
    if characters is None:
        return _without_cast(rows, name)
    if not isinstance(characters, list):
        raise InvalidRequest(
            f"{found_in or name} has no list of characters", action="Use the file that ViMax wrote."
        )
    names = _names(characters)
    members = {names[number]: _member(character) for number, character in _numbered(characters)}
    # Characters who are only heard have no features, and no shot shows them.
    visible = {member_name: member for member_name, member in members.items() if member["prompt"]}
    cast, problems = read_cast(visible, name=found_in or name, folder=folder)
    return Project(
        rows=[row._replace(values=_rename(row.values, names)) for row in rows],
        defaults=Defaults(size=DEFAULT_SIZE),
        cast=cast,
        problems=tuple(problems),
        notes=(f"the cast was read from {found_in}",) if found_in else (),
    )


def _find_characters(folder: Path) -> tuple[object, str | None]:
    """Read the characters next to the file, or two folders above a single shot's description."""
    folder = folder.absolute()
    paths = [CHARACTERS_FILE]
    if folder.parent.name == SHOTS_FOLDER:
        paths.append(f"../../{CHARACTERS_FILE}")
    for path in paths:
        if (folder / path).is_file():
            return parse_json(InputFile(folder / path).document(), path), path
    return None, None


def _without_cast(rows: list[Row], name: str) -> Project:
    """Read the shots without their characters, whose numbers mean nothing without the file."""
    named = any(
        isinstance(row.values, Mapping) and row.values.get(CHARACTERS_COLUMN) for row in rows
    )
    note = f"{name}: characters were left out, because no {CHARACTERS_FILE} was found"
    rows = [row._replace(values=_without_characters(row.values)) for row in rows]
    return Project(rows=rows, defaults=Defaults(size=DEFAULT_SIZE), notes=(note,) * named)


def _without_characters(values: object) -> object:
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


def _member(character: Mapping[str, object]) -> DictWithLine:
    features = (character.get("static_features"), character.get("dynamic_features"))
    written = [text.strip() for text in features if isinstance(text, str) and text.strip()]
    member = DictWithLine(prompt=" ".join(written))
    member.line = character.line if isinstance(character, DictWithLine) else 0
    return member


def _rename(values: object, names: Mapping[str, str]) -> object:
    if not isinstance(values, Mapping) or not isinstance(values.get(CHARACTERS_COLUMN), list):
        return values
    idxs = values[CHARACTERS_COLUMN]
    return {**values, CHARACTERS_COLUMN: [names.get(str(idx), idx) for idx in idxs]}
