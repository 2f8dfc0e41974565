"""Build shots: from rows, and portraits from members of the cast."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from stills.contract.errors import InvalidRequest
from stills.contract.models import SEED_MAX
from stills.contract.request import REQUEST_FIELDS, ImageRequest
from stills.contract.takes import check_takes, list_takes
from stills.shotlist.cast import PORTRAIT_PREFIX, Member, MemberReference
from stills.shotlist.columns import fold, suggest
from stills.shotlist.durations import read_duration
from stills.shotlist.options import ListOptions
from stills.shotlist.project import Notes, Project
from stills.shotlist.references import REFERENCE_FIELDS, read_references
from stills.shotlist.row import (
    Fields,
    Row,
    name_fields,
    read_names,
    read_number,
    read_switch,
    read_words,
)
from stills.shotlist.scenes import FRAMING_FIELDS, combine_id, frame_prompt
from stills.shotlist.shots import Defaults, Problem, Shot, ShotReference
from stills.shotlist.sizes import choose_size
from stills.shotlist.templates import TEMPLATE_FIELDS

ID_MAX_CHARACTERS = 200

_DEFAULT_ID = re.compile(r"(shot-[0-9]{4,})((?:-[0-9]+)?)")


def build_shots(
    row: Row, project: Project, *, folder: Path, notes: Notes, options: ListOptions
) -> Sequence[Shot | Problem]:
    """Build the takes of a row's shot, or report what is wrong with the row."""
    columns: dict[str, str] = {}
    try:
        fields = name_fields(project.without_template_columns(row.values))
        columns = fields.columns
        for column in fields.ignored:
            notes.add_unused(column)
        fields = _fill_templates(row, fields, project)
        prompt = _prompt(fields, notes, options)
        fields = fields._replace(values={**fields.values, "prompt": prompt})
        shot = _shot(row, fields, project, folder=folder, notes=notes, options=options)
        return _takes(shot, fields.values.get("takes"), project.defaults)
    except InvalidRequest as error:
        field = columns.get(error.field or "", error.field)
        return [Problem(row.source, field, error.message, error.action)]


def build_portrait(member: Member, project: Project) -> Shot:
    """Build the shot that shows a member; without its own seed, one is derived.

    Its style is a template if the project has variables; its prompt is not.

    Raises:
        InvalidRequest: its fields are not a valid request.
    """
    cast, defaults = project.cast or {}, project.defaults
    chosen = member.own.over(defaults)
    style: object = chosen.style
    if project.templates is not None:
        style = project.templates.fill("style", style, {})
    shot_id = f"{PORTRAIT_PREFIX}{member.name}"
    seed = member.own.seed
    request = ImageRequest(
        prompt=member.prompt or "",
        size=choose_size(
            size=member.own.size,
            width=None,
            height=None,
            aspect_ratio=member.own.aspect_ratio,
            defaults=chosen,
        ),
        style=style if isinstance(style, str) else None,
        negative_prompt=chosen.negative_prompt,
        seed=derive_seed(defaults.seed or 0, shot_id) if seed is None else seed,
    )
    references = tuple(_portrait_reference(one, cast) for one in member.references)
    return Shot(shot_id, request, member.source, references, is_portrait=True)


def derive_seed(project_seed: int, shot_id: str) -> int:
    """Derive a shot's seed, 0 to 2147483647: the first 31 bits of SHA-256 over `seed:id`.

    Never change this: stored images are found again by their seeds.
    """
    digest = hashlib.sha256(f"{project_seed}:{shot_id}".encode()).digest()
    return int.from_bytes(digest[:4]) & SEED_MAX


def take_id(shot_id: str, take: int) -> str:
    """Return the id of a take; the first one has the id of its shot."""
    return shot_id if take == 1 else f"{shot_id}-{take}"


def default_id(position: int) -> str:
    """Return the id of a row without one, from its position in the file."""
    return f"shot-{position:04}"


def split_default_id(shot_id: str) -> tuple[str, str] | None:
    """Return the default id of a row, and what its take adds to it; None for any other id."""
    found = _DEFAULT_ID.fullmatch(shot_id)
    return None if found is None else (found[1], found[2])


def read_id(given: object, position: int) -> str:
    """Read a row's id; without one, return its default id.

    Raises:
        InvalidRequest: it is neither text nor a whole number, or is too long or not printable.
    """
    if given is None:
        return default_id(position)
    shot_id = str(given).strip() if isinstance(given, str | int) else ""
    is_plain = shot_id.isprintable() and len(shot_id) <= ID_MAX_CHARACTERS
    if not shot_id or not is_plain or isinstance(given, bool):
        raise InvalidRequest(
            "id is neither plain text nor a whole number",
            field="id",
            action=f"Use at most {ID_MAX_CHARACTERS} characters on one line, or leave it out.",
        )
    return shot_id


def _fill_templates(row: Row, fields: Fields, project: Project) -> Fields:
    """Replace the names in prompt and style, if the project has variables."""
    templates, written = project.templates, row.values
    if templates is None or not isinstance(written, Mapping):
        return fields
    values = {"style": project.defaults.style, **fields.values}
    filled = {name: templates.fill(name, values.get(name), written) for name in TEMPLATE_FIELDS}
    known = {name: value for name, value in filled.items() if value is not None}
    return fields._replace(values={**fields.values, **known})


def _prompt(fields: Fields, notes: Notes, options: ListOptions) -> object:
    prompt = fields.values.get("prompt")
    if options.weave:
        return frame_prompt(prompt, fields)
    for name in FRAMING_FIELDS:
        if name in fields.columns:
            notes.add_unwoven(fields.columns[name])
    return prompt


def _shot(
    row: Row,
    fields: Fields,
    project: Project,
    *,
    folder: Path,
    notes: Notes,
    options: ListOptions,
) -> Shot:
    values = fields.values
    own_id = values["id"] if "id" in values else combine_id(values)
    if "id" in values or own_id is None:
        for name in ("scene", "shot"):
            if name in fields.columns:
                notes.add_unused(fields.columns[name])
    shot_id = read_id(own_id, row.position)
    is_by_position = own_id is None and values.get("seed") is None
    members = _members(fields, project, notes)
    return Shot(
        id=shot_id,
        request=_request(shot_id, values, project),
        source=row.source,
        references=(
            *read_references(values, folder=folder),
            *(ShotReference(shot=name) for name in _names(values, "reference_shot")),
            *(member.as_reference() for member in members),
        ),
        duration_seconds=read_duration(values.get("duration"), options.frame_rate),
        dialogue=read_words("dialogue", values.get("dialogue")),
        is_numbered=own_id is None,
        project_seed=project.defaults.seed or 0 if is_by_position else None,
    )


def _takes(shot: Shot, given: object, defaults: Defaults) -> Sequence[Shot]:
    takes = defaults.takes or 1 if given is None else check_takes(read_number(given))
    listed = list_takes(shot.request, takes=takes, seed=shot.request.seed or 0)
    return [
        shot
        if number == 1
        else replace(
            shot,
            id=take_id(shot.id, number),
            request=take.request,
            take=number,
            take_of=shot.id,
        )
        for number, take in enumerate(listed, start=1)
    ]


def _portrait_reference(reference: MemberReference, cast: Mapping[str, Member]) -> ShotReference:
    if reference.member is not None:
        return cast[reference.member].as_reference(reference.label)
    return ShotReference(image=reference.image, label=reference.label)


def _request(shot_id: str, values: dict[str, Any], project: Project) -> ImageRequest:
    defaults = project.defaults
    if values["prompt"] is None:
        raise InvalidRequest(
            "prompt is missing", field="prompt", action="Describe what the image shows."
        )
    seed = read_number(values.get("seed"))
    own = REQUEST_FIELDS.keys() - REFERENCE_FIELDS
    return ImageRequest.from_mapping(
        {
            "negative_prompt": defaults.negative_prompt,
            "style": defaults.style,
            **{
                name: read_switch(value) if REQUEST_FIELDS[name].type == "boolean" else value
                for name, value in values.items()
                if name in own
            },
            "size": choose_size(
                size=values.get("size"),
                width=values.get("width"),
                height=values.get("height"),
                aspect_ratio=values.get("aspect_ratio"),
                defaults=defaults,
            ),
            "seed": derive_seed(defaults.seed or 0, shot_id) if seed is None else seed,
        }
    )


def _members(fields: Fields, project: Project, notes: Notes) -> list[Member]:
    names = _names(fields.values, "cast")
    column = fields.columns.get("cast", "cast")
    if project.cast is None and fold(column) != "cast":
        if names:
            notes.add(f"column {column[:40]} is not used, because the file has no cast")
        return []
    return [_member(name, project) for name in names]


def _member(name: str, project: Project) -> Member:
    cast = project.cast or {}
    member = cast.get(name) or _find_folded(name, cast)
    if member is None:
        known = (
            f"The cast is {', '.join(list(cast)[:20])}."
            if cast
            else "Add it to cast:, or to a file for --cast."
        )
        raise InvalidRequest(
            f"{name[:40]!r} is not in the cast",
            field="cast",
            action=f"{suggest(name, list(cast))}{known}",
        )
    if member.prompt is None and member.image is None:
        raise InvalidRequest(
            f"cast member {name[:40]!r} is invalid",
            field="cast",
            action="Fix the problem reported for it.",
        )
    return member


def _find_folded(name: str, cast: Mapping[str, Member]) -> Member | None:
    """Find the only member whose name differs in case, spaces, `-` or `_`."""
    found = [member for known, member in cast.items() if fold(known) == fold(name)]
    return found[0] if len(found) == 1 else None


def _names(values: dict[str, Any], field: str) -> tuple[str, ...]:
    return read_names(field, values[field]) if field in values else ()
