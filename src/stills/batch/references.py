"""References: which of a shot's references are sent as an image, and which are described."""

import os
from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TypeAlias

from stills.contract.errors import InvalidReference
from stills.contract.models import Model
from stills.shotlist.cast import end_sentence
from stills.shotlist.shots import Shot

_REFERENCES_MAX = 1

Files: TypeAlias = dict[str, Path]
"""Local image files by the ids of their shots."""


class OnUnsupported(StrEnum):
    """What to do with references that can't be sent."""

    ERROR = "error"
    DESCRIBE = "describe"


@dataclass(frozen=True, slots=True)
class ResolvedReferences:
    """A shot with at most one reference, and a note about the others.

    The reference is `shot.request.reference_image`, or the image of the one shot in `shot.needs`.
    """

    shot: Shot
    note: str | None = None


@dataclass(frozen=True, slots=True)
class _References:
    """The references of a shot: its own, and those of its cast."""

    image: str | bytes | None
    shots: tuple[str, ...]
    portraits: tuple[str, ...]
    cast_images: tuple[str, ...]

    @property
    def own_count(self) -> int:
        return len(self.shots) + (self.image is not None)

    @property
    def cast_count(self) -> int:
        return len(self.portraits) + len(self.cast_images)


def resolve_references(
    shot: Shot, portraits: Collection[str], model: Model, on_unsupported: OnUnsupported | None
) -> ResolvedReferences:
    """Decide which references of a shot a model gets; `portraits` are the ids of portraits.

    If `on_unsupported` is None, a cast that can't be sent is described in the prompt, and any other
    reference that can't be sent is an error.

    Raises:
        InvalidReference: they can't all be sent, and can't or must not be described.
    """
    references = _References(
        shot.request.reference_image,
        tuple(need for need in shot.needs if need not in portraits),
        tuple(need for need in shot.needs if need in portraits),
        shot.cast_images,
    )
    if references.own_count + references.cast_count == 0:
        return ResolvedReferences(shot)
    room = min(model.reference_images_max, _REFERENCES_MAX)
    if references.own_count + references.cast_count <= room:
        return ResolvedReferences(_keep(shot, references, with_cast=True))
    may_describe = on_unsupported is OnUnsupported.DESCRIBE or (
        on_unsupported is None and references.cast_count > 0
    )
    if shot.is_portrait or not may_describe:
        raise _refusal(shot, references, model)
    described = _describe(shot) if references.cast_count else shot
    if references.own_count <= room:
        return ResolvedReferences(
            _keep(described, references, with_cast=False), _make_note(model, left_out=False)
        )
    if on_unsupported is not OnUnsupported.DESCRIBE or room > 0:
        raise _refusal(shot, references, model)
    without = replace(described.request, reference_image=None)
    resolved = replace(described, request=without, needs=(), cast_images=())
    return ResolvedReferences(resolved, _make_note(model, left_out=True))


def with_reference(shot: Shot, files: Files) -> Shot:
    """Return a resolved shot with the image of the shot it needs, if any, as its reference."""
    if not shot.needs:
        return shot
    file = files[shot.needs[0]]
    try:
        path = os.fsencode(file).decode()  # as text, whatever the locale is
    except UnicodeDecodeError:
        path = str(file)
    return replace(shot, request=replace(shot.request, reference_image=path))


def _keep(shot: Shot, references: _References, *, with_cast: bool) -> Shot:
    image = references.image
    needs = references.shots
    if with_cast:
        image = next(iter(references.cast_images), image)
        needs += references.portraits
    request = replace(shot.request, reference_image=image)
    return replace(shot, request=request, needs=needs, cast_images=())


def _describe(shot: Shot) -> Shot:
    """Add the description of the cast to the prompt."""
    if shot.describe is None:
        raise InvalidReference(
            "a cast member has an image but no prompt, so it can't be described",
            field="cast",
            action="Add a prompt to the member, or choose a model that accepts references.",
        )
    prompt = f"{end_sentence(shot.request.prompt)} {shot.describe}"
    return replace(shot, request=replace(shot.request, prompt=prompt))


def _make_note(model: Model, *, left_out: bool) -> str:
    if model.reference_images_max > 0:
        return "if a shot has more than one reference, its cast is described in the prompt"
    if left_out:
        return (
            f"{model.id} accepts no references: the cast is described in the prompts, and "
            "reference images and shots are left out"
        )
    return f"{model.id} accepts no references: the cast is described in the prompts"


def _refusal(shot: Shot, references: _References, model: Model) -> InvalidReference:
    field = _field(references)
    if model.reference_images_max == 0:
        return InvalidReference(
            f"{model.id} accepts no references, but shot {shot.id[:40]!r} has {_count(references)}",
            field=field,
            action=(
                "Choose a model that accepts them, such as --model qwen-image-2.0, or add "
                "--on-unsupported-reference describe."
            ),
        )
    describe_hint = (
        ", or add --on-unsupported-reference describe to describe the cast in the prompt"
        if references.cast_count and not shot.is_portrait
        else ""
    )
    return InvalidReference(
        f"a request accepts one reference, but shot {shot.id[:40]!r} has {_count(references)}",
        field=field,
        action=f"Keep one{describe_hint}.",
    )


def _field(references: _References) -> str:
    if references.image is not None:
        return "reference_image"
    return "reference_shot" if references.shots else "cast"


def _count(references: _References) -> str:
    parts = [
        "a reference image" if references.image is not None else "",
        _plural(len(references.shots), "reference shot"),
        _plural(references.cast_count, "cast member"),
    ]
    return " and ".join(filter(None, parts))


def _plural(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' if number > 1 else ''}" if number else ""
