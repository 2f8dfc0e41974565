"""Make a shot of a row."""

from pathlib import Path
from typing import Any

from stills.contract.errors import InvalidRequest
from stills.contract.request import ImageRequest
from stills.shotlist.cast import Member, describe, locate_image
from stills.shotlist.columns import fold, suggest
from stills.shotlist.project import Notes, Project
from stills.shotlist.row import (
    Fields,
    Row,
    name_fields,
    read_names,
    read_one_reference,
    read_seconds,
    read_seed,
)
from stills.shotlist.seeds import derive_seed
from stills.shotlist.shots import Problem, Shot
from stills.shotlist.sizes import choose_size

ID_MAX_CHARACTERS = 200


def build_shot(row: Row, project: Project, *, folder: Path, notes: Notes) -> Shot | Problem:
    """Make the shot that a row asks for, or say what is wrong with the row."""
    columns: dict[str, str] = {}
    try:
        fields = name_fields(row.values)
        columns = fields.columns
        for column in fields.ignored:
            notes.unused(column)
        return _shot(row, fields, project, folder, notes)
    except InvalidRequest as error:
        field = columns.get(error.field or "", error.field)
        return Problem(row.source, field, error.message, error.action)


def made_id(position: int) -> str:
    """Make an id for a row without, of its position in the file."""
    return f"shot-{position:04}"


def read_id(given: object, position: int) -> str:
    """Read a row's id, or make one.

    Raises:
        InvalidRequest: it is no text or whole number, too long, or has control characters.
    """
    if given is None:
        return made_id(position)
    shot_id = str(given).strip() if isinstance(given, str | int) else ""
    is_plain = shot_id.isprintable() and len(shot_id) <= ID_MAX_CHARACTERS
    if not shot_id or not is_plain or isinstance(given, bool):
        raise InvalidRequest(
            "id is no plain text or whole number",
            field="id",
            action=f"Give at most {ID_MAX_CHARACTERS} characters on one line, or leave it out.",
        )
    return shot_id


def _shot(row: Row, fields: Fields, project: Project, folder: Path, notes: Notes) -> Shot:
    values = fields.values
    shot_id = read_id(values.get("id"), row.position)
    members = _members(fields, project, notes)
    portraits = [member.portrait_id for member in members if member.portrait_id]
    needs = _names(values, "reference_shot") + tuple(portraits)
    return Shot(
        id=shot_id,
        request=_request(shot_id, values, project, folder),
        source=row.source,
        needs=needs,
        cast_images=tuple(member.image for member in members if member.image),
        describe=describe(members),
        duration_seconds=read_seconds(values.get("duration")),
    )


def _request(shot_id: str, values: dict[str, Any], project: Project, folder: Path) -> ImageRequest:
    defaults = project.defaults
    if "prompt" not in values:
        raise InvalidRequest("prompt is missing", field="prompt", action="Say what it shows.")
    seed = read_seed(values.get("seed"))
    reference = read_one_reference(values.get("reference_image"))
    if isinstance(reference, str):
        reference = locate_image(reference, folder)
    return ImageRequest(
        prompt=values["prompt"],
        size=choose_size(
            size=values.get("size"),
            width=values.get("width"),
            height=values.get("height"),
            aspect_ratio=values.get("aspect_ratio"),
            defaults=defaults,
        ),
        negative_prompt=values.get("negative_prompt", defaults.negative_prompt),
        style=values.get("style", defaults.style),
        seed=derive_seed(defaults.seed or 0, shot_id) if seed is None else seed,  # type: ignore[arg-type] # checked there
        reference_image=reference,
    )


def _members(fields: Fields, project: Project, notes: Notes) -> list[Member]:
    names = _names(fields.values, "cast")
    column = fields.columns.get("cast", "cast")
    if project.cast is None and fold(column) != "cast":
        if names:
            notes.add(f"column {column[:40]} is not used, for the file has no cast")
        return []
    return [_member(name, project) for name in names]


def _member(name: str, project: Project) -> Member:
    cast = project.cast or {}
    member = cast.get(name)
    if member is None:
        known = f"The cast is {', '.join(list(cast)[:20])}." if cast else "Add it to cast:."
        raise InvalidRequest(
            f"{name[:40]!r} is not in the cast",
            field="cast",
            action=f"{suggest(name, list(cast))}{known}",
        )
    if member.prompt is None and member.image is None:
        raise InvalidRequest(
            f"{name[:40]!r} of the cast can't be read", field="cast", action="Mend it there."
        )
    return member


def _names(values: dict[str, Any], field: str) -> tuple[str, ...]:
    return read_names(field, values[field]) if field in values else ()
