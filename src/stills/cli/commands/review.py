"""`stills review`: decide about the takes of a batch in a browser."""

import argparse
import sys
from pathlib import Path

from stills.app import Stills
from stills.cli.text import printable
from stills.config import read_rate_limit
from stills.contract.errors import AccessError, ConfigError
from stills.contract.money import check_max_cost
from stills.review.board import read_board
from stills.review.marks_file import read_marks
from stills.review.merge import Merged, merge_marks
from stills.review.record import record_unless_running
from stills.review.review_file import change_review


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    folder = Path(options.folder)
    board = read_board(folder)  # refused before a port is opened
    if options.merge:
        merged = merge_marks(board, read_marks(Path(options.merge)))
        record_unless_running(folder)
        _print_merged(merged)
        return 0
    _serve(options, folder)
    return 0


def _print_merged(merged: Merged) -> None:
    for line in merged.conflicts:
        print(printable(f"conflict: {line}"))
    kept = "; yours stay, and theirs are comments" if merged.conflicts else ""
    counts = [
        _plural(merged.marks, "mark"),
        _plural(merged.comments, "comment"),
        _plural(merged.requests, "request"),
    ]
    conflicts = _plural(len(merged.conflicts), "conflict")
    print(f"merged {counts[0]}, {counts[1]} and {counts[2]}, with {conflicts}{kept}")


def _plural(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _serve(options: argparse.Namespace, folder: Path) -> None:
    from stills.http.review.server import open_review  # noqa: PLC0415 - loads the HTTP server
    from stills.http.review.session import ReviewOptions  # noqa: PLC0415

    if not 0 <= options.port <= 65_535:  # noqa: PLR2004 - TCP's own limit
        raise ConfigError("--port is out of range", field="port", action="Use 0 to 65535.")
    check_max_cost(options.max_cost)
    read_rate_limit(options.rate, "--rate")
    change_review(folder, lambda review: review)  # gives the board its id
    record_unless_running(folder)
    made, why_not = _make(options)
    review = ReviewOptions(folder, options.model, options.max_cost, why_not)
    server = open_review(lambda: made, review, options.port)
    print(f"Open {server.url}")
    print("It works once, in one browser. Ctrl-C ends the review; decisions are saved at once.")
    sys.stdout.flush()
    server.run(_say_finishing)


def _say_finishing() -> None:
    print(
        "stills: finishing the takes that were sent. Ctrl-C again leaves them to `stills recover`.",
        file=sys.stderr,
    )


def _make(options: argparse.Namespace) -> tuple[Stills, str | None]:
    """Return a Stills, and why it can't generate: a review needs no API key until then."""
    try:
        made = Stills.from_env(
            sandbox=options.sandbox,
            rate_limit=read_rate_limit(options.rate, "--rate"),
            resend_unknown=options.resend_unknown,
        )
    except AccessError as error:
        return Stills.from_catalog(), f"Nothing can be generated: {error.message}"
    return made, None
