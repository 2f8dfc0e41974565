"""References: which of a shot's references are sent as images, and which are described."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TypeAlias

from stills.contract.errors import InvalidReference
from stills.contract.models import MODELS, Model
from stills.contract.request import ImageRequest
from stills.shotlist.cast import end_sentence
from stills.shotlist.shots import Shot, ShotReference

_SHOTS_NAMED_MAX = 20

Files: TypeAlias = dict[str, Path]
"""Local image files by the ids of their shots."""


class OnUnsupported(StrEnum):
    """What to do with references that can't be sent."""

    ERROR = "error"
    DESCRIBE = "describe"


@dataclass(frozen=True, slots=True)
class ResolvedReferences:
    """A shot with the references that are sent, and what its prompt says about them.

    `described` are the cast members that are described in the prompt instead of being sent.
    `left_out` is the number of other references that are not sent.
    """

    shot: Shot
    described: tuple[str, ...] = ()
    left_out: int = 0


def resolve_references(
    shot: Shot, model: Model, on_unsupported: OnUnsupported | None
) -> ResolvedReferences:
    """Decide which references of a shot a model gets.

    If they are too many, cast members are described in the prompt, the last ones first. If
    `on_unsupported` is None, a cast that can't be sent is described, and any other reference that
    can't be sent is an error.

    Raises:
        InvalidReference: they can't all be sent, and can't or must not be described.
    """
    over = len(shot.references) - model.reference_images_max
    if over <= 0:
        return ResolvedReferences(_explain(shot, shot.references, described=()))
    own = [one for one in shot.references if one.member is None]
    may_describe = on_unsupported is OnUnsupported.DESCRIBE or (
        on_unsupported is None and len(own) < len(shot.references)
    )
    if shot.is_portrait or not may_describe:
        raise _refusal(shot, model)
    left_out: Sequence[ShotReference] = ()
    if len(own) > model.reference_images_max:
        if on_unsupported is not OnUnsupported.DESCRIBE or model.reference_images_max > 0:
            raise _refusal(shot, model)
        left_out = own
    able = [one for one in shot.references if one.member and one.description]
    count = over - len(left_out)
    if len(able) < count:
        raise InvalidReference(
            "a cast member has an image but no prompt, so it can't be described",
            field="cast",
            action="Add a prompt to the member, or choose a model that accepts more references.",
        )
    described = able[len(able) - count :]
    sent = [one for one in shot.references if one not in left_out and one not in described]
    names = tuple(str(one.member) for one in described)
    return ResolvedReferences(_explain(shot, sent, described=described), names, len(left_out))


class UnsentReferences:
    """Collects the references of a batch that are not sent, for one note."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._described: dict[str, tuple[str, ...]] = {}
        self._shots = 0
        self._left_out = 0

    def add(self, resolved: ResolvedReferences) -> None:
        """Add those of one shot."""
        self._left_out += resolved.left_out
        if resolved.described and resolved.shot.take_of is None:
            self._shots += 1
            if self._shots <= _SHOTS_NAMED_MAX:
                self._described[resolved.shot.id] = resolved.described

    @property
    def note(self) -> str | None:
        """Which cast members are described, and whether other references are left out."""
        if not self._shots and not self._left_out:
            return None
        if self._model.reference_images_max == 0:
            note = f"{self._model.id} accepts no references: the cast is described in the prompts"
            also = ", and reference images and shots are left out"
            return note + also if self._left_out else note
        shots = [f"{shot_id} ({', '.join(names)})" for shot_id, names in self._described.items()]
        if self._shots > _SHOTS_NAMED_MAX:
            shots.append(f"{self._shots - _SHOTS_NAMED_MAX} more")
        accepted = _plural(self._model.reference_images_max, "reference image")
        return (
            f"{self._model.id} accepts {accepted}, so cast members are described in the prompts of "
            f"some shots: {', '.join(shots)}"
        )


def with_references(shot: Shot, files: Mapping[str, Path]) -> ImageRequest:
    """Return the request of a resolved shot with its references; `files` has all it needs.

    Raises:
        InvalidRequest: the path or URL of a reference can't be used.
    """
    images: list[str | bytes] = []
    for one in shot.references:
        if one.image is not None:
            images.append(one.image)
        elif one.shot is not None:
            images.append(_as_text(files[one.shot]))
    if not images:
        return shot.request
    if len(images) == 1:  # the form that the keys of older images have
        return replace(shot.request, reference_image=images[0])
    return replace(shot.request, reference_images=tuple(images))


def without_needs(shot: Shot) -> ImageRequest:
    """Return the request of a resolved shot with only those references that exist already.

    Raises:
        InvalidRequest: the path or URL of a reference can't be used.
    """
    existing = tuple(one for one in shot.references if one.shot is None)
    return with_references(replace(shot, references=existing), {})


def _as_text(file: Path) -> str:
    try:
        return os.fsencode(file).decode()  # as text, whatever the locale is
    except UnicodeDecodeError:
        return str(file)


def _explain(
    shot: Shot, sent: Sequence[ShotReference], *, described: Sequence[ShotReference]
) -> Shot:
    """Say in the prompt what the images show that are sent, and describe the others."""
    sentences = [
        f"Reference image {number} shows {who}."
        for number, one in enumerate(sent, start=1)
        if (who := _who(one, is_alone=len(sent) + len(described) == 1))
    ]
    sentences += [f"{one.member}: {one.description}" for one in described]
    if not sentences:
        return shot if len(sent) == len(shot.references) else replace(shot, references=tuple(sent))
    *others, last = sentences
    text = " ".join([*map(end_sentence, others), last])
    prompt = f"{end_sentence(shot.request.prompt)} {text}"
    request = replace(shot.request, prompt=prompt)
    return replace(shot, request=request, references=tuple(sent), reference_text=text)


def _who(reference: ShotReference, *, is_alone: bool) -> str | None:
    """Return who a reference shows; a single one without a label leaves the prompt as it is."""
    who = reference.label or (None if is_alone else reference.member)
    return who and who.rstrip(".")


def _refusal(shot: Shot, model: Model) -> InvalidReference:
    field, counted = _count(shot.references)
    accepted = _plural(model.reference_images_max, "reference image")
    describe_hint = ", or add --on-unsupported-reference describe"
    if model.reference_images_max == 0:
        return InvalidReference(
            f"{model.id} accepts no references, but shot {shot.id[:40]!r} has {counted}",
            field=field,
            action="Choose a model that accepts them, such as --model qwen-image-2.0"
            f"{describe_hint}.",
        )
    own = sum(one.member is None for one in shot.references)
    if shot.is_portrait or own > model.reference_images_max:
        describe_hint = ""
    return InvalidReference(
        f"{model.id} accepts {accepted}, but shot {shot.id[:40]!r} has {counted}",
        field=field,
        action=f"Keep {model.reference_images_max}{_suggest_model(len(shot.references))}"
        f"{describe_hint}.",
    )


def _suggest_model(references: int) -> str:
    able = (
        one.id
        for one in MODELS.values()
        if one.reference_images_max >= references and one.retired_on is None
    )
    model_id = next(able, None)
    return "" if model_id is None else f", or choose a model that accepts more, such as {model_id}"


def _count(references: Sequence[ShotReference]) -> tuple[str, str]:
    """Return the field of the first reference, and the number of each kind."""
    shots = [one for one in references if one.member is None and one.shot is not None]
    cast = [one for one in references if one.member is not None]
    images = len(references) - len(shots) - len(cast)
    counted = {
        "reference_images" if images > 1 else "reference_image": _plural(images, "reference image"),
        "reference_shot": _plural(len(shots), "reference shot"),
        "cast": _plural(len(cast), "cast member"),
    }
    present = {field: text for field, text in counted.items() if text}
    return next(iter(present)), " and ".join(present.values())


def _plural(number: int, noun: str) -> str:
    if number == 0:
        return ""
    article = "a" if number == 1 else str(number)
    return f"{article} {noun}{'s' if number > 1 else ''}"
