"""One line of a manifest: the outcome of a shot, as a dataclass and as JSON."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

from stills.contract.encoded_image import is_base64_image, is_data_url
from stills.contract.errors import Billing, InvalidRequest
from stills.contract.outcome import Failure
from stills.contract.request import REQUEST_FIELDS, ImageRequest
from stills.contract.result import ImageResult
from stills.contract.strict_json import STRICT
from stills.shotlist.shots import Outcome, Shot, ShotReference

_REFERENCE_SHOWN_CHARACTERS = 300
_DATA_URL, _BASE64, _UNREADABLE = "data URL", "base64", "unreadable URL"
_HIDDEN = (_DATA_URL, _BASE64, _UNREADABLE)

T = TypeVar("T")


class Status(StrEnum):
    """The status of a shot; a pending one was not started, or was interrupted."""

    DONE = "done"
    FAILED = "failed"
    PENDING = "pending"


class ReviewMark(StrEnum):
    """What a review says about a take."""

    PICKED = "picked"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class ManifestEntry:
    """A shot and its result or failure; both if its image is stored but missing from the folder.

    The references of `shot` are fit to be shown: without query, credentials or bytes. `file`
    is the image's path in the manifest's folder, with `/` as the separator. `billing` is that of a
    pending shot whose request was interrupted.

    `mark`, `comments` and `own_picture` repeat the folder's review for other programs: comments are
    with the first take of a shot, and so is the path of a picture of the user that takes its place.
    """

    shot: Shot
    result: ImageResult | None = None
    failure: Failure | None = None
    file: str | None = None
    billing: Billing = Billing.NONE
    mark: ReviewMark | None = None
    comments: tuple[str, ...] = ()
    own_picture: str | None = None

    @classmethod
    def of(cls, outcome: Outcome, file: str | None = None) -> Self:
        """Make the entry of an outcome."""
        shot = outcome.shot
        if shot.references:
            shot = replace(shot, references=tuple(map(_as_shown, shot.references)))
        failure = None if outcome.error is None else Failure.of(outcome.error)
        return cls(shot, outcome.result, failure, file, outcome.billing)

    @property
    def status(self) -> Status:
        """Done, failed or pending; without result and failure it is pending."""
        if self.failure is not None:
            return Status.FAILED
        return Status.PENDING if self.result is None else Status.DONE

    def to_json(self) -> bytes:
        """Return the entry as one line of UTF-8; a lone surrogate stays escaped."""
        line = json.dumps(self.as_object(), ensure_ascii=False, allow_nan=False)
        return line.encode("utf-8", "backslashreplace")

    @classmethod
    def from_json(cls, line: bytes) -> Self:
        """Read a line; unknown members are ignored.

        Raises:
            InvalidRequest: it is not a valid entry.
        """
        try:
            given = STRICT.decode(line.decode("utf-8", "surrogatepass"))
        except (ValueError, RecursionError) as error:
            raise InvalidRequest(f"the line is not JSON: {str(error)[:200]}") from None
        if not isinstance(given, dict):
            raise InvalidRequest("the line is not a JSON object")
        entry = cls(
            _read_shot(given),
            _read_result(given),
            _read_failure(given),
            _read_file(given, "file"),
            _read_billing(given),
            _read_mark(given),
            _texts(given, "comments"),
            _read_file(given, "own_picture"),
        )
        if entry.status != (status := _get(given, "status", str)):
            raise InvalidRequest(
                f"status is {status[:40]!r}, but the other members mean {entry.status}",
                field="status",
            )
        return entry

    def as_object(self) -> dict[str, Any]:
        """Return the members of the entry's line."""
        shot, request = self.shot, self.shot.request
        given = {name: getattr(request, name) for name in REQUEST_FIELDS}
        line: dict[str, Any] = {
            "id": shot.id,
            "status": self.status,
            "source": shot.source,
            "request": {name: value for name, value in given.items() if value not in (None, ())},
        }
        if [one.image is not None for one in shot.references] == [True]:
            line["request"]["reference_image"] = shot.references[0].image
        line |= _kind_members(shot)
        if shot.references:
            line["references"] = [_reference_members(one) for one in shot.references]
        if shot.reference_text is not None:
            line["reference_text"] = shot.reference_text
        if shot.needs:
            line["needs"] = shot.needs
        if shot.duration_seconds is not None:
            line["duration_seconds"] = shot.duration_seconds
        if shot.dialogue is not None:
            line["dialogue"] = shot.dialogue
        if self.result is not None:
            line |= _result_members(self.result, self.file)
        if self.failure is not None:
            line["error"] = asdict(self.failure)
        if self.billing is not Billing.NONE:
            line["billing"] = self.billing
        return line | self._review_members()

    def _review_members(self) -> dict[str, Any]:
        members = {"mark": self.mark, "comments": self.comments, "own_picture": self.own_picture}
        return {name: value for name, value in members.items() if value}


def is_hidden_reference(shown: str | bytes | None) -> bool:
    """Return whether a manifest does not say where a reference is: it was given as bytes."""
    return shown is None or shown in _HIDDEN or str(shown).endswith(" bytes")


def show_reference(given: str | bytes | None) -> str | None:
    """Return a reference image as text without its bytes, query or credentials."""
    if given is None:
        return None
    if isinstance(given, bytes):
        return f"{len(given)} bytes"
    given = given.strip()
    if is_data_url(given):
        return _DATA_URL
    if is_base64_image(given):
        return _BASE64
    if "://" in given[:12]:
        try:
            parts = urlsplit(given)
            given = f"{parts.scheme}://{parts.hostname or ''}{parts.path}"
        except ValueError:
            return _UNREADABLE
    return given[:_REFERENCE_SHOWN_CHARACTERS]


def _as_shown(reference: ShotReference) -> ShotReference:
    return ShotReference(
        image=show_reference(reference.image),
        shot=reference.shot,
        label=reference.label or reference.member,
    )


def _kind_members(shot: Shot) -> dict[str, Any]:
    """Say whether a shot is a portrait, and which take of which shot it is."""
    members: dict[str, Any] = {"portrait": True} if shot.is_portrait else {}
    if shot.take_of is not None:
        members |= {"take": shot.take, "take_of": shot.take_of}
    if shot.is_retake:
        members["retake"] = True
    return members


def _reference_members(reference: ShotReference) -> dict[str, str]:
    members = {"image": reference.image, "shot": reference.shot, "label": reference.label}
    return {name: str(value) for name, value in members.items() if value is not None}


def _result_members(result: ImageResult, file: str | None) -> dict[str, Any]:
    return result.contract_fields() | {
        "file": file,
        "object_path": result.object_path,
        "cached": result.cached,
        "cost_usd": result.cost_usd,
        "image_id": result.id,
        "provider": result.provider,
        "model": result.model,
        "native_size": result.native_size,
        "notes": result.notes,
    }


def _read_shot(given: Mapping[str, Any]) -> Shot:
    duration = _get(given, "duration_seconds", float, None)
    if duration is not None and not (math.isfinite(duration) and duration > 0):
        raise InvalidRequest("duration_seconds is not above 0", field="duration_seconds")
    request = dict(_get(given, "request", dict))
    own = request.pop("reference_image", None)  # older versions had it there
    return Shot(
        id=_get(given, "id", str),
        request=ImageRequest.from_mapping(request),
        source=_get(given, "source", str, ""),
        references=_read_references(given, own),
        reference_text=_get(given, "reference_text", str, None),
        duration_seconds=duration,
        dialogue=_get(given, "dialogue", str, None),
        is_portrait=_get(given, "portrait", bool, default=False),
        take=_get(given, "take", int, 1),
        take_of=_get(given, "take_of", str, None),
        is_retake=_get(given, "retake", bool, default=False),
    )


def _read_references(given: Mapping[str, Any], own: object) -> tuple[ShotReference, ...]:
    listed = _get(given, "references", list, None)
    if listed is None:  # as older versions wrote them
        images = [own] if isinstance(own, str) else []
        return (
            *(ShotReference(image=image) for image in images),
            *(ShotReference(shot=shot_id) for shot_id in _texts(given, "needs")),
        )
    if not all(isinstance(one, dict) for one in listed):
        raise InvalidRequest("references is not a list of objects", field="references")
    return tuple(
        ShotReference(
            image=_get(one, "image", str, None),
            shot=_get(one, "shot", str, None),
            label=_get(one, "label", str, None),
        )
        for one in listed
    )


def _read_result(given: Mapping[str, Any]) -> ImageResult | None:
    if given.get("image_url") is None:
        return None
    return ImageResult(
        image_url=_get(given, "image_url", str),
        width=_pixels(given, "width"),
        height=_pixels(given, "height"),
        seed=_get(given, "seed", int),
        id=_get(given, "image_id", str, ""),
        cached=_get(given, "cached", bool, default=False),
        provider=_get(given, "provider", str, ""),
        model=_get(given, "model", str, ""),
        native_size=_get(given, "native_size", str, ""),
        cost_usd=_get(given, "cost_usd", float, None),
        notes=_texts(given, "notes"),
        object_path=_get(given, "object_path", str, ""),
    )


def _read_failure(given: Mapping[str, Any]) -> Failure | None:
    error = _get(given, "error", dict, None)
    if error is None:
        return None
    return Failure(
        code=_get(error, "code", str),
        message=_get(error, "message", str, ""),
        action=_get(error, "action", str, ""),
        retryable=_get(error, "retryable", bool, default=False),
        billing=_read_billing(error),
        request_id=_get(error, "request_id", str, None),
    )


def _read_billing(given: Mapping[str, Any]) -> Billing:
    billing = _get(given, "billing", str, Billing.NONE)
    if billing not in set(Billing):
        raise InvalidRequest(f"unknown billing {billing[:40]!r}", field="billing")
    return Billing(billing)


def _read_mark(given: Mapping[str, Any]) -> ReviewMark | None:
    mark = _get(given, "mark", str, None)
    if mark is None:
        return None
    if mark not in set(ReviewMark):
        raise InvalidRequest(f"unknown mark {mark[:40]!r}", field="mark")
    return ReviewMark(mark)


def _read_file(given: Mapping[str, Any], name: str) -> str | None:
    """Read the path of an image, which must be inside the manifest's folder."""
    file: str | None = _get(given, name, str, None)
    if file is None:
        return None
    path = PurePosixPath(file)
    if not path.parts or path.is_absolute() or ".." in path.parts or set(file) & set("\\:\0"):
        raise InvalidRequest(
            f"{name} {file[:100]!r} is not inside the manifest's folder", field=name
        )
    return file


def _pixels(given: Mapping[str, Any], name: str) -> int:
    pixels: int = _get(given, name, int)
    if pixels < 1:
        raise InvalidRequest(f"{name} is less than 1", field=name)
    return pixels


def _texts(given: Mapping[str, Any], name: str) -> tuple[str, ...]:
    texts = _get(given, name, list, [])
    if not all(isinstance(text, str) for text in texts):
        raise InvalidRequest(f"{name} is not a list of strings", field=name)
    return tuple(texts)


_REQUIRED: Any = object()
_TYPE_NAMES: dict[type, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "an object",
}


def _get(given: Mapping[str, Any], name: str, kind: type[T], default: Any = _REQUIRED) -> Any:  # noqa: ANN401 - JSON
    """Return a member of the given type; null is the same as missing."""
    value = given.get(name)
    if value is None:
        if default is _REQUIRED:
            raise InvalidRequest(f"{name} is missing", field=name)
        return default
    if kind is float and type(value) is int:
        value = _as_float(name, value)
    if type(value) is not kind:
        raise InvalidRequest(f"{name} is not {_TYPE_NAMES[kind]}", field=name)
    return value


def _as_float(name: str, value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        raise InvalidRequest(f"{name} is out of range", field=name) from None
