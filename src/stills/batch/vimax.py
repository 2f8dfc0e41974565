"""ViMax storyboards: rows with `ff_desc` or `visual_desc`, and characters by their number.

ViMax writes `storyboard.json` (a list of shots), `shot_description.json` (one shot) and, beside
them, `characters.json`. It draws frames of 1600 by 900.
"""

from collections.abc import Mapping
from pathlib import Path

from stills.batch.json_text import parse_json
from stills.batch.project import Project, number_rows
from stills.batch.row import Located
from stills.batch.shot_list import read_cast
from stills.batch.shots import Defaults
from stills.batch.source import Source

DEFAULT_SIZE = "1600*900"
CHARACTERS_FILE = "characters.json"
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
    """Read a storyboard; None if its mapping holds what only our own shot lists have."""
    outer = document if isinstance(document, Mapping) and shots != [document] else {}
    if outer.keys() - {"characters", *_LISTS}:
        return None
    characters = outer.get("characters")
    found_beside = None
    if characters is None:
        characters, found_beside = _characters_beside(folder)
    if not isinstance(characters, list):
        return Project(rows=number_rows(shots, name), defaults=Defaults(size=DEFAULT_SIZE))
    names = _names(characters)
    members = {names[number]: _member(character) for number, character in _numbered(characters)}
    # Those who are only heard have no features, and no shot shows them.
    seen = {member_name: member for member_name, member in members.items() if member["prompt"]}
    cast, problems = read_cast(seen, name=found_beside or name, folder=folder)
    rows = [row._replace(values=_rename(row.values, names)) for row in number_rows(shots, name)]
    return Project(
        rows=rows,
        defaults=Defaults(size=DEFAULT_SIZE),
        cast=cast,
        problems=tuple(problems),
        notes=(f"the cast is read from {found_beside}",) if found_beside else (),
    )


def _characters_beside(folder: Path) -> tuple[object, str | None]:
    path = folder / CHARACTERS_FILE
    if not path.is_file():
        return None, None
    text = Source(path).document()
    return parse_json(text, CHARACTERS_FILE), CHARACTERS_FILE


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
    if not isinstance(values, Mapping) or not isinstance(values.get("ff_vis_char_idxs"), list):
        return values
    idxs = values["ff_vis_char_idxs"]
    return {**values, "ff_vis_char_idxs": [names.get(str(idx), idx) for idx in idxs]}
