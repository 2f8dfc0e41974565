"""Our own shot lists: a mapping with `shots:`, and what they share: size, style, seed, cast."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from stills.contract.errors import InvalidRequest
from stills.contract.request import ImageRequest
from stills.shotlist.cast import read_cast
from stills.shotlist.columns import fold, suggest
from stills.shotlist.project import Project, number_rows, read_variables
from stills.shotlist.row import find_source, read_number
from stills.shotlist.shots import Defaults, Problem
from stills.shotlist.sizes import choose_size

SHOTS = ("shots", "storyboards", "frames", "rows")
PROJECT_FIELDS = (
    "title",
    "size",
    "width",
    "height",
    "aspect_ratio",
    "style",
    "negative_prompt",
    "seed",
    "cast",
    "variables",
)


def find_shots(document: Mapping[str, object]) -> str | None:
    """Return the key of the list of shots; None if there is none."""
    return next((key for key in SHOTS if isinstance(document.get(key), list)), None)


def read_shot_list(document: Mapping[str, object], *, name: str, folder: Path) -> Project:
    """Read a shot list; invalid fields of the project are among its problems."""
    key = find_shots(document)
    source = find_source(document, name) or name
    values: dict[str, object] = {}
    problems = []
    for written, value in document.items():
        field = next((one for one in PROJECT_FIELDS if fold(one) == fold(str(written))), None)
        if field is None and written != key:
            problems.append(_unknown(str(written), source))
        elif field is not None and value is not None:
            values[field] = value
    try:
        defaults = _read_defaults(values)
    except InvalidRequest as error:
        defaults = Defaults()
        problems.append(Problem.of(source, error))
    cast, cast_problems = read_cast(values.get("cast"), name=name, folder=folder)
    variables, wrong = read_variables(values.get("variables"), name=source)
    shots = document[key] if key else []
    title = values.get("title")
    return Project(
        rows=number_rows(shots if isinstance(shots, Iterable) else [], name),
        defaults=defaults,
        cast=cast,
        variables=variables,
        title=title if isinstance(title, str) else None,
        problems=(*problems, *cast_problems, *wrong),
    )


def _read_defaults(values: Mapping[str, object]) -> Defaults:
    size = _text(values, "size")
    aspect_ratio = _text(values, "aspect_ratio")
    if values.keys() & {"width", "height"}:
        size = choose_size(
            size=size,
            width=values.get("width"),
            height=values.get("height"),
            aspect_ratio=aspect_ratio,
            defaults=Defaults(),
        )
    # ImageRequest checks the rest; this one is never sent.
    checked = ImageRequest(
        prompt="-",
        size=size or "1024*1024",
        style=_text(values, "style"),
        negative_prompt=_text(values, "negative_prompt"),
        seed=read_number(values.get("seed")),  # type: ignore[arg-type] # checked there
    )
    return Defaults(size, aspect_ratio, checked.style, checked.negative_prompt, checked.seed)


def _text(values: Mapping[str, object], field: str) -> str | None:
    value = values.get(field)
    if value is None or isinstance(value, str):
        return value
    raise InvalidRequest(f"{field} is not text", field=field, action=f"Write {field} as text.")


def _unknown(written: str, source: str) -> Problem:
    return Problem(
        source,
        written[:40],
        f"the project has an unknown field {written[:40]!r}",
        f"{suggest(written, [*PROJECT_FIELDS, 'shots'])}"
        f"A project has the fields {', '.join(PROJECT_FIELDS)} and shots.",
    )
