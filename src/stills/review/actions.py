"""Decisions as JSON, as the page sends them: `{"do": "pick", "shot": "1A", "take": "1A-2"}`."""

from collections.abc import Callable, Mapping

from stills.contract.errors import InvalidRequest
from stills.contract.models import SEED_MAX
from stills.review import marking
from stills.review.board import Board, BoardShot, BoardTake
from stills.review.records import Review, ShotReview
from stills.review.review_file import now
from stills.review.review_json import TEXT_MAX_CHARACTERS, Members, read_reference

_TAKE = {"take"}
_MEMBERS = {
    "pick": _TAKE,
    "reject": _TAKE,
    "clear": _TAKE,
    "comment": {"take", "text", "by"},
    "uncomment": {"comment"},
    "another": {"take", "prompt", "seed", "reference"},
    "cancel": {"request"},
}
_NAME_MAX_CHARACTERS = 100


def decide(board: Board, given: Mapping[str, object]) -> tuple[str, Review]:
    """Return what a decision does, and the review with it.

    Raises:
        InvalidRequest: it is not a decision, or the shot, the take or a value can't be used.
    """
    name = given.get("do")
    if not isinstance(name, str) or name not in _MEMBERS:
        raise InvalidRequest(
            "do is not a decision", field="do", action=f"Use one of {', '.join(_MEMBERS)}."
        )
    members = Members(given, "the decision", {"do", "shot", *_MEMBERS[name]})
    shot = board.find(members.text("shot"))
    what, review = _DECISIONS[name](board, shot, members)
    return what, board.review.change(what, now(), {shot.id: review})


def _take(shot: BoardShot, members: Members) -> BoardTake:
    return shot.find_take(members.text("take"))


def _pick(_: Board, shot: BoardShot, members: Members) -> tuple[str, ShotReview]:
    take = _take(shot, members)
    return f"{take.id}: picked", marking.pick(shot, take)


def _reject(_: Board, shot: BoardShot, members: Members) -> tuple[str, ShotReview]:
    take = _take(shot, members)
    return f"{take.id}: rejected", marking.reject(shot, take)


def _clear(_: Board, shot: BoardShot, members: Members) -> tuple[str, ShotReview]:
    if "take" not in members:
        return f"{shot.id}: marks cleared", marking.clear(shot)
    take = _take(shot, members)
    return f"{take.id}: mark cleared", marking.clear(shot, take)


def _comment(_: Board, shot: BoardShot, members: Members) -> tuple[str, ShotReview]:
    take = _take(shot, members) if "take" in members else None
    by = members.text("by", most=_NAME_MAX_CHARACTERS) if "by" in members else None
    text = members.text("text", most=TEXT_MAX_CHARACTERS)
    return f"{shot.id}: comment", marking.comment(shot, text, take=take, by=by)


def _uncomment(_: Board, shot: BoardShot, members: Members) -> tuple[str, ShotReview]:
    review = marking.remove_comment(shot, members.text("comment"))
    return f"{shot.id}: comment removed", review


def _another(board: Board, shot: BoardShot, members: Members) -> tuple[str, ShotReview]:
    review = marking.request_take(
        board,
        shot,
        _take(shot, members),
        prompt=members.text("prompt", most=TEXT_MAX_CHARACTERS) if "prompt" in members else None,
        seed=members.number("seed", 0, SEED_MAX) if "seed" in members else None,
        reference=members.one("reference", read_reference),
    )
    return f"{review.requests[-1].id}: asked for", review


def _cancel(_: Board, shot: BoardShot, members: Members) -> tuple[str, ShotReview]:
    request = members.text("request")
    return f"{request}: taken back", marking.cancel_request(shot, request)


_DECISIONS: Mapping[str, Callable[[Board, BoardShot, Members], tuple[str, ShotReview]]] = {
    "pick": _pick,
    "reject": _reject,
    "clear": _clear,
    "comment": _comment,
    "uncomment": _uncomment,
    "another": _another,
    "cancel": _cancel,
}
