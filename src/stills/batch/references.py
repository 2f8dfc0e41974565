"""References: what of a shot's cast and references goes to the model as an image, what as words."""

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
"""Images on this disk, by the ids of their shots."""


class OnUnsupported(StrEnum):
    """What becomes of references that can't be sent."""

    ERROR = "error"
    DESCRIBE = "describe"


@dataclass(frozen=True, slots=True)
class ResolvedReferences:
    """A shot with at most one reference, and what was done about the others, to be told once.

    The reference is `shot.request.reference_image`, or the image of the one shot in `shot.needs`.
    """

    shot: Shot
    note: str | None = None


@dataclass(frozen=True, slots=True)
class _Given:
    """What a shot brings along: its own references, and those that its cast stands for."""

    image: str | bytes | None
    shots: tuple[str, ...]
    portraits: tuple[str, ...]
    cast_images: tuple[str, ...]

    @property
    def own(self) -> int:
        return len(self.shots) + (self.image is not None)

    @property
    def cast(self) -> int:
        return len(self.portraits) + len(self.cast_images)


def settle_references(
    shot: Shot, portraits: Collection[str], model: Model, on_unsupported: OnUnsupported | None
) -> ResolvedReferences:
    """Decide about a shot's references for a model; `portraits` are ids of the cast's.

    Without a choice, a cast that can't be sent is put into words, and everything else that can't
    be is an error.

    Raises:
        InvalidReference: they can't all be sent, and are not to be described or can't be.
    """
    given = _Given(
        shot.request.reference_image,
        tuple(need for need in shot.needs if need not in portraits),
        tuple(need for need in shot.needs if need in portraits),
        shot.cast_images,
    )
    if given.own + given.cast == 0:
        return ResolvedReferences(shot)
    room = min(model.reference_images_max, _REFERENCES_MAX)
    if given.own + given.cast <= room:
        return ResolvedReferences(_keep(shot, given, with_cast=True))
    may_describe = on_unsupported is OnUnsupported.DESCRIBE or (
        on_unsupported is None and given.cast > 0
    )
    if shot.is_portrait or not may_describe:
        raise _refusal(shot, given, model)
    described = _describe(shot) if given.cast else shot
    if given.own <= room:
        return ResolvedReferences(
            _keep(described, given, with_cast=False), _told(model, left_out=False)
        )
    if on_unsupported is not OnUnsupported.DESCRIBE or room > 0:
        raise _refusal(shot, given, model)
    without = replace(described.request, reference_image=None)
    settled = replace(described, request=without, needs=(), cast_images=())
    return ResolvedReferences(settled, _told(model, left_out=True))


def with_reference(shot: Shot, files: Files) -> Shot:
    """Give a settled shot the image of the one that it needs, if it needs one."""
    if not shot.needs:
        return shot
    file = files[shot.needs[0]]
    try:
        path = os.fsencode(file).decode()  # as text, not as the locale reads it
    except UnicodeDecodeError:
        path = str(file)
    return replace(shot, request=replace(shot.request, reference_image=path))


def _keep(shot: Shot, given: _Given, *, with_cast: bool) -> Shot:
    image = given.image
    needs = given.shots
    if with_cast:
        image = next(iter(given.cast_images), image)
        needs += given.portraits
    request = replace(shot.request, reference_image=image)
    return replace(shot, request=request, needs=needs, cast_images=())


def _describe(shot: Shot) -> Shot:
    """Weave the cast into the prompt."""
    if shot.describe is None:
        raise InvalidReference(
            "a member of the cast has an image and no prompt, so it can't be put into words",
            field="cast",
            action="Give the member a prompt, or choose a model that takes references.",
        )
    prompt = f"{end_sentence(shot.request.prompt)} {shot.describe}"
    return replace(shot, request=replace(shot.request, prompt=prompt))


def _told(model: Model, *, left_out: bool) -> str:
    if model.reference_images_max > 0:
        return "where a shot has more references than one, its cast is described in the prompt"
    if left_out:
        return (
            f"{model.id} takes no references: the cast is described in the prompts, and reference "
            "images and shots are left out, for nothing describes them"
        )
    return f"{model.id} takes no references: the cast is described in the prompts"


def _refusal(shot: Shot, given: _Given, model: Model) -> InvalidReference:
    field = _field(given)
    if model.reference_images_max == 0:
        return InvalidReference(
            f"{model.id} takes no references, and shot {shot.id[:40]!r} has {_count(given)}",
            field=field,
            action=(
                "Choose a model that takes them, such as --model qwen-image-2.0, or add "
                "--on-unsupported-reference describe."
            ),
        )
    help_of_cast = (
        ", or add --on-unsupported-reference describe to put the cast into words"
        if given.cast and not shot.is_portrait
        else ""
    )
    return InvalidReference(
        f"a request takes one reference, and shot {shot.id[:40]!r} has {_count(given)}",
        field=field,
        action=f"Keep one{help_of_cast}.",
    )


def _field(given: _Given) -> str:
    if given.image is not None:
        return "reference_image"
    return "reference_shot" if given.shots else "cast"


def _count(given: _Given) -> str:
    parts = [
        (given.image is not None, "a reference image"),
        (len(given.shots), f"{len(given.shots)} reference shot{'s'[: len(given.shots) > 1]}"),
        (given.cast, f"{given.cast} of the cast"),
    ]
    return " and ".join(text for number, text in parts if number)
