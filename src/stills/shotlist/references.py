"""The reference images that a row lists itself."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stills.contract.errors import InvalidRequest
from stills.shotlist.cast import locate_image
from stills.shotlist.columns import suggest
from stills.shotlist.row import NAMES_MAX, split_cell
from stills.shotlist.shots import ShotReference

REFERENCE_FIELDS = ("reference_image", "reference_images")

_ITEM_FIELDS = ("image", "label")
_CELL_SEPARATOR = "|"  # paths and URLs have commas and semicolons


def read_references(values: Mapping[str, Any], *, folder: Path) -> tuple[ShotReference, ...]:
    """Read a row's reference images, in order: `reference_image`, then `reference_images`.

    Each is a path or URL as text, or a mapping with `image` and `label`. Paths start at `folder`.

    Raises:
        InvalidRequest: they are something else, or too many for any model.
    """
    separators = {"reference_images": _CELL_SEPARATOR}
    return tuple(
        _read_reference(field, item, folder)
        for field in REFERENCE_FIELDS
        for item in _listed(field, values.get(field), separators.get(field, ""))
    )


def read_label(field: str, given: object) -> str | None:
    """Read who or what a reference shows; blank text counts as absent.

    Raises:
        InvalidRequest: it is not text.
    """
    if not isinstance(given, str | None):
        raise InvalidRequest(
            "the label of a reference image is not text",
            field=field,
            action="Write who or what it shows, such as Anna.",
        )
    return " ".join((given or "").split()) or None


def _listed(field: str, given: object, separators: str) -> list[object]:
    if given is None:
        return []
    if isinstance(given, str) and (separators or given.lstrip().startswith("[")):
        given = split_cell(given, separators=separators)
    listed = given if isinstance(given, list) else [given]
    if len(listed) > NAMES_MAX:
        raise InvalidRequest(
            f"{len(listed)} reference images are more than any model accepts",
            field=field,
            action="Keep those that matter most.",
        )
    return listed


def _read_reference(field: str, item: object, folder: Path) -> ShotReference:
    given, label = item, None
    if isinstance(item, Mapping):
        unknown = next((str(key)[:40] for key in item if key not in _ITEM_FIELDS), None)
        if unknown is not None:
            raise InvalidRequest(
                f"a reference image has an unknown field {unknown!r}",
                field=field,
                action=f"{suggest(unknown, list(_ITEM_FIELDS))}It has the fields image and label.",
            )
        given, label = item.get("image"), item.get("label")
    if not isinstance(given, str) or not given.strip():
        raise InvalidRequest(
            "a reference image is not text",
            field=field,
            action="Write it as a path or URL, or as {image: …, label: …}.",
        )
    return ShotReference(locate_image(given.strip(), folder), label=read_label(field, label))
