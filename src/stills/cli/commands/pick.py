"""`stills pick`: decide about a shot of a batch without a browser."""

import argparse
import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

from stills.app import Stills
from stills.batch.thumbnails import make_thumbnail
from stills.cli.text import printable
from stills.contract.errors import InvalidRequest
from stills.review import marking
from stills.review.board import Board, BoardShot, BoardTake, read_board
from stills.review.own_picture import keep_own_picture, read_picture
from stills.review.record import record_unless_running
from stills.review.records import NewReference, OwnPicture, Review, ShotReview
from stills.review.review_file import change_review, now

Decide = Callable[[Board, BoardShot], tuple[str, ShotReview]]


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    folder = Path(options.output)
    _check(options)
    if options.undo:
        undone = _undo(folder)
        print(printable(f"undone: {undone}" if undone else "nothing to undo"), file=sys.stderr)
        return 0
    board = read_board(folder)
    shot = board.find(options.shot)
    own = asyncio.run(_keep_own(folder, shot, Path(options.file))) if options.file else None
    print(printable(_change(board, options.shot, _decision(options, own))), file=sys.stderr)
    return 0


def _check(options: argparse.Namespace) -> None:
    """Refuse options that contradict each other or do nothing."""
    details = (options.prompt, options.seed, options.reference)
    given = [name for name in ("file", "reject", "clear", "another") if getattr(options, name)]
    if options.undo:
        if options.shot or given or options.comment or details != (None, None, None):
            raise InvalidRequest(
                "--undo can't be combined with a take or another decision",
                field="undo",
                action="Leave out the others.",
            )
        return
    if options.shot is None:
        raise InvalidRequest(
            "no shot is given", field="shot", action="Give a shot and a take, such as 2A 1."
        )
    if len(given) > 1:
        raise InvalidRequest(
            f"--{given[0]} and --{given[1]} are different decisions",
            field=given[1],
            action="Use one at a time.",
        )
    if options.file and options.take:
        raise InvalidRequest(
            "--file takes the place of the shot, not of a take",
            field="take",
            action="Leave out the take.",
        )
    if details != (None, None, None) and not options.another:
        raise InvalidRequest(
            "--prompt, --seed and --reference describe another take",
            field="another",
            action="Add --another.",
        )


def _decision(options: argparse.Namespace, own: OwnPicture | None) -> Decide:
    """Return what the options say, as a function of the shot as it then is."""

    def decide(board: Board, shot: BoardShot) -> tuple[str, ShotReview]:
        what, review = _decide(options, own, board, shot)
        if options.comment:
            take = shot.find_take(options.take) if options.take else None
            commented = BoardShot(shot.takes, review)
            review = marking.comment(commented, options.comment, take=take)
            what = f"{what}, with a comment" if what else f"{shot.id}: comment"
        return what, review

    return decide


def _decide(
    options: argparse.Namespace, own: OwnPicture | None, board: Board, shot: BoardShot
) -> tuple[str, ShotReview]:
    if own is not None:
        return f"{shot.id}: own picture {own.name}", marking.use_own(shot, own)
    if options.clear:
        take = shot.find_take(options.take) if options.take else None
        what = f"{shot.id}: marks cleared" if take is None else f"{take.id}: mark cleared"
        return what, marking.clear(shot, take)
    if options.reject:
        take = _take(options, shot)
        return f"{take.id}: rejected", marking.reject(shot, take)
    if options.another:
        review = marking.request_take(
            board,
            shot,
            shot.find_take(options.take or shot.takes[0].label),
            prompt=options.prompt,
            seed=options.seed,
            reference=_reference(options.reference),
        )
        asked = review.requests[-1].id
        return f"{asked}: asked for; `stills batch --from-review` generates it", review
    if options.take is None and options.comment:
        return "", shot.review
    take = _take(options, shot)
    return f"{take.id}: picked", marking.pick(shot, take)


def _take(options: argparse.Namespace, shot: BoardShot) -> BoardTake:
    if options.take is None and len(shot.takes) > 1:
        labels = ", ".join(take.label for take in shot.takes)
        raise InvalidRequest(
            f"shot {shot.id[:60]!r} has several takes",
            field="take",
            action=f"Name one of {labels}.",
        )
    return shot.find_take(options.take or shot.takes[0].label)


def _reference(given: str | None) -> NewReference | None:
    if given is None:
        return None
    if given == "none":
        return NewReference()
    is_url = "://" in given
    if is_url and not given.startswith("https://"):
        raise InvalidRequest(
            f"--reference {given[:60]!r} does not begin with https://",
            field="reference",
            action="Give the id of a shot or take, an https URL, or none.",
        )
    return NewReference(url=given) if is_url else NewReference(shot=given)


def _change(board: Board, shot_id: str, decide: Decide) -> str:
    what = ""

    def change(review: Review) -> Review:
        nonlocal what
        newest = board.with_review(review)
        what, decided = decide(newest, newest.find(shot_id))
        return review.change(what, now(), {shot_id: decided})

    change_review(board.folder, change)
    record_unless_running(board.folder)
    return what


def _undo(folder: Path) -> str:
    undone = ""

    def undo(review: Review) -> Review:
        nonlocal undone
        undone = review.undo[-1].what if review.undo else ""
        return review.undo_last()

    change_review(folder, undo)
    record_unless_running(folder)
    return undone


async def _keep_own(folder: Path, shot: BoardShot, path: Path) -> OwnPicture:
    data = read_picture(path)
    async with Stills.from_catalog() as stills:
        own = await keep_own_picture(stills, folder, shot.id, data, path.name)
        await make_thumbnail(stills, folder, own.file, own.digest)
    return own
