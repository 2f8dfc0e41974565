"""Read `marks.json`: the decisions that somebody made in a copy of the page."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stills.contract.errors import InvalidRequest
from stills.contract.models import SEED_MAX
from stills.review.records import Comment, Mark, NewReference
from stills.review.review_json import (
    TEXT_MAX_CHARACTERS,
    Members,
    parse,
    read_comment,
    read_mark,
    read_reference,
)

VERSION = 1
_MAX_BYTES = 16 * 1024 * 1024
_NAME_MAX_CHARACTERS = 100
_ACTION = "Use the marks.json that the page saved."


@dataclass(frozen=True, slots=True)
class AskedTake:
    """A take that was asked for. `id` is None if that was done in the copy, not on the board."""

    id: str | None
    based_on: str
    prompt: str | None
    seed: int | None
    reference: NewReference | None


@dataclass(frozen=True, slots=True)
class Side:
    """The decisions about a shot on one side: in the copy when it was made, or by now."""

    pick: Mark | None
    rejected: tuple[Mark, ...]
    comments: tuple[Comment, ...]
    asked: tuple[AskedTake, ...]


@dataclass(frozen=True, slots=True)
class MarkedShot:
    """A shot that was changed in the copy."""

    base: Side
    now: Side


@dataclass(frozen=True, slots=True)
class Marks:
    """The changes in a copy of a board, by shot; `by` is who made them, if the page knows."""

    board: str
    by: str | None
    shots: Mapping[str, MarkedShot]


def read_marks(path: Path) -> Marks:
    """Read a file of marks. Blocks.

    Raises:
        InvalidRequest: it can't be read, or has something else.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(_MAX_BYTES + 1)
    except OSError as error:
        raise InvalidRequest(
            f"{path} can't be read: {error.strerror or error}", action=_ACTION
        ) from None
    try:
        return _read(data)
    except InvalidRequest as error:
        raise InvalidRequest(
            f"{path}: {error.message}", field=error.field, action=_ACTION
        ) from None


def _read(data: bytes) -> Marks:
    if len(data) > _MAX_BYTES:
        raise InvalidRequest(f"it has more than {_MAX_BYTES} bytes")
    given = parse(data)
    version = given.get("stills_marks")
    if version != VERSION:
        raise InvalidRequest("it has no marks that this version of Stills reads")
    members = Members(given, "the file", {"stills_marks", "board", "by", "shots"})
    shots = members.get("shots", dict, {})
    return Marks(
        board=members.text("board"),
        by=members.text("by", most=_NAME_MAX_CHARACTERS) if "by" in members else None,
        shots={name: _read_shot(shot, f"shot {name[:60]!r}") for name, shot in shots.items()},
    )


def _read_shot(given: object, where: str) -> MarkedShot:
    members = Members(given, where, {"base", "now"})
    return MarkedShot(
        _read_side(members.get("base", dict, {}), f"{where}: base"),
        _read_side(members.get("now", dict, {}), f"{where}: now"),
    )


def _read_side(given: object, where: str) -> Side:
    members = Members(given, where, {"pick", "rejected", "comments", "requests", "own"})
    return Side(
        pick=members.one("pick", read_mark),
        rejected=members.list("rejected", read_mark),
        comments=members.list("comments", read_comment),
        asked=members.list("requests", _read_asked),
    )


def _read_asked(given: object, where: str) -> AskedTake:
    members = Members(given, where, {"id", "key", "based_on", "seed", "prompt", "reference"})
    return AskedTake(
        id=members.text("id") if "id" in members else None,
        based_on=members.text("based_on"),
        prompt=members.text("prompt", most=TEXT_MAX_CHARACTERS) if "prompt" in members else None,
        seed=members.number("seed", 0, SEED_MAX) if "seed" in members else None,
        reference=members.one("reference", read_reference),
    )
