"""A review as JSON. Reading is strict: what this version does not know is refused, not dropped."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import PurePosixPath
from typing import Any, TypeVar

from stills.contract.errors import InvalidRequest
from stills.contract.models import SEED_MAX
from stills.contract.strict_json import STRICT, explain
from stills.review.records import (
    Change,
    Comment,
    Mark,
    NewReference,
    OwnPicture,
    Review,
    ShotReview,
    TakeRequest,
)

VERSION = 1
TEXT_MAX_CHARACTERS = 10_000
"""The longest comment or prompt."""
_NAME_MAX_CHARACTERS = 1000
_SIDE_MAX_PIXELS = 100_000

T = TypeVar("T")


def write_review(review: Review) -> bytes:
    """Return a review as JSON, one shot per line."""
    head = {"version": VERSION, "board": review.board, "title": review.title}
    shots = ",\n".join(
        f"    {json.dumps(shot_id)}: {json.dumps(as_members(shot))}"
        for shot_id, shot in review.shots.items()
    )
    undo = ",\n".join(
        "    "
        + json.dumps(
            {
                "what": one.what,
                "at": one.at,
                "before": {shot_id: as_members(shot) for shot_id, shot in one.before.items()},
            }
        )
        for one in review.undo
    )
    members = [f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in head.items()]
    members.append(f'  "shots": {{\n{shots}\n  }}' if shots else '  "shots": {}')
    members.append(f'  "undo": [\n{undo}\n  ]' if undo else '  "undo": []')
    return ("{\n" + ",\n".join(members) + "\n}\n").encode()


def as_members(shot: ShotReview) -> dict[str, Any]:
    """Return the review of a shot as JSON members, without those that are not set."""
    return {
        name: [_without_none(one) for one in value] if isinstance(value, tuple) else value
        for name, value in asdict(shot).items()
        if value not in (None, ())
    }


def read_review_json(data: bytes) -> Review:
    """Read a review.

    Raises:
        InvalidRequest: it is not a valid review of this version; the place is named.
    """
    given = parse(data)
    version = given.get("version")
    if version != VERSION:
        raise InvalidRequest(
            f"version is {str(version)[:40]}, but this version of Stills reads {VERSION}",
            field="version",
            action="Use the version of Stills that wrote the file.",
        )
    members = Members(given, "the file", {"version", "board", "title", "shots", "undo"})
    return Review(
        board=members.text("board"),
        title=members.text("title", empty=True),
        shots=_read_shots(members.get("shots", dict, {})),
        undo=members.list("undo", _read_change),
    )


def parse(data: bytes) -> dict[str, Any]:
    """Parse a JSON object.

    Raises:
        InvalidRequest: it is something else.
    """
    try:
        given = STRICT.decode(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"it is not JSON: {explain(error)}") from None
    if not isinstance(given, dict):
        raise InvalidRequest("it is not a JSON object")
    return given


def read_shot_review(given: object, where: str) -> ShotReview:
    """Read the review of one shot.

    Raises:
        InvalidRequest: it is not valid.
    """
    members = Members(given, where, {"pick", "rejected", "comments", "requests", "own"})
    return ShotReview(
        pick=members.one("pick", read_mark),
        rejected=members.list("rejected", read_mark),
        comments=members.list("comments", read_comment),
        requests=members.list("requests", read_request),
        own=members.one("own", _read_own),
    )


def read_mark(given: object, where: str) -> Mark:
    """Read a mark."""
    members = Members(given, where, {"take", "image"})
    return Mark(members.text("take"), members.text("image"))


def read_comment(given: object, where: str) -> Comment:
    """Read a comment."""
    members = Members(given, where, {"id", "text", "at", "by", "take"})
    return Comment(
        id=members.text("id"),
        text=members.text("text", most=TEXT_MAX_CHARACTERS),
        at=members.text("at"),
        by=members.text("by") if "by" in members else None,
        take=members.text("take") if "take" in members else None,
    )


def read_request(given: object, where: str) -> TakeRequest:
    """Read a requested take."""
    members = Members(given, where, {"id", "based_on", "seed", "prompt", "reference"})
    return TakeRequest(
        id=members.text("id"),
        based_on=members.text("based_on"),
        seed=members.number("seed", 0, SEED_MAX),
        prompt=members.text("prompt", most=TEXT_MAX_CHARACTERS) if "prompt" in members else None,
        reference=members.one("reference", read_reference),
    )


def read_reference(given: object, where: str) -> NewReference:
    """Read the reference of a requested take. Paths are refused: the file may be a stranger's."""
    members = Members(given, where, {"shot", "url"})
    url = members.text("url") if "url" in members else None
    if url is not None and not url.startswith("https://"):
        raise InvalidRequest(f"{where}: the URL does not begin with https://", field="reference")
    return NewReference(members.text("shot") if "shot" in members else None, url)


class Members:
    """The members of a JSON object that must have no others; null is the same as missing."""

    def __init__(self, given: object, where: str, names: set[str]) -> None:
        if not isinstance(given, dict):
            raise InvalidRequest(f"{where} is not an object")
        unknown = next((name for name in given if name not in names), None)
        if unknown is not None:
            raise InvalidRequest(f"{where} has an unknown member {unknown[:40]!r}")
        self._given: Mapping[str, Any] = given
        self._where = where

    def __contains__(self, name: str) -> bool:
        return self._given.get(name) is not None

    def get(self, name: str, kind: type[T], default: T) -> T:
        """Return a member of a type."""
        value = self._given.get(name)
        if value is None:
            return default
        if type(value) is not kind:
            raise InvalidRequest(f"{self._where}: {name} has the wrong type", field=name)
        return value

    def text(self, name: str, *, most: int = _NAME_MAX_CHARACTERS, empty: bool = False) -> str:
        """Return a text of at most `most` characters."""
        value = self.get(name, str, "")
        if not (value or empty):
            raise InvalidRequest(f"{self._where}: {name} is missing", field=name)
        if len(value) > most:
            raise InvalidRequest(f"{self._where}: {name} is over {most} characters", field=name)
        return value

    def number(self, name: str, least: int, most: int) -> int:
        """Return a whole number in a range."""
        value = self.get(name, int, least - 1)
        if not least <= value <= most or not math.isfinite(value):
            raise InvalidRequest(f"{self._where}: {name} is missing or out of range", field=name)
        return value

    def list(self, name: str, read: Callable[[object, str], T]) -> tuple[T, ...]:
        """Read each item of a list."""
        items: list[Any] = self.get(name, list, [])
        return tuple(
            read(item, f"{self._where}: {name} {number}")
            for number, item in enumerate(items, start=1)
        )

    def one(self, name: str, read: Callable[[object, str], T]) -> T | None:
        """Read an object, if there is one."""
        return read(self._given[name], f"{self._where}: {name}") if name in self else None


def _read_shots(given: Mapping[str, Any]) -> Mapping[str, ShotReview]:
    return {
        shot_id: read_shot_review(shot, f"shot {shot_id[:60]!r}") for shot_id, shot in given.items()
    }


def _read_change(given: object, where: str) -> Change:
    members = Members(given, where, {"what", "at", "before"})
    return Change(
        members.text("what"), members.text("at"), _read_shots(members.get("before", dict, {}))
    )


def _read_own(given: object, where: str) -> OwnPicture:
    members = Members(given, where, {"file", "digest", "width", "height", "name"})
    file = members.text("file")
    path = PurePosixPath(file)
    if path.is_absolute() or ".." in path.parts or set(file) & set("\\:\0"):
        raise InvalidRequest(f"{where}: the file is not inside the folder", field="file")
    return OwnPicture(
        file=file,
        digest=members.text("digest"),
        width=members.number("width", 1, _SIDE_MAX_PIXELS),
        height=members.number("height", 1, _SIDE_MAX_PIXELS),
        name=members.text("name"),
    )


def _without_none(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None}
