"""Ask for confirmation on a terminal."""

import signal
import sys
from contextlib import ExitStack, suppress

from stills.contract.errors import InvalidRequest


def ask(question: str, *, piped: bool) -> bool:
    """Ask on a terminal, where Enter means no; return True if there is no terminal.

    `piped` means that standard input has other content, so the terminal is opened instead.
    """
    with ExitStack() as opened:
        answers = sys.stdin
        if piped:
            with suppress(OSError):  # there is no terminal
                answers = opened.enter_context(open("/dev/tty"))  # noqa: PTH123 - not a file
        if not (answers.isatty() and sys.stderr.isatty()):
            return True
        # asyncio's handler would not interrupt readline.
        handler = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
            return answers.readline().strip().lower() in {"y", "yes"}
        finally:
            signal.signal(signal.SIGINT, handler)


def confirm_deletion(question: str) -> None:
    """Ask before something is deleted.

    Raises:
        InvalidRequest: the answer is no, or there is no terminal.
    """
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise InvalidRequest(
            "nothing was deleted, because there is no terminal on which to ask",
            field="yes",
            action="Add --yes.",
        )
    if not ask(question, piped=False):
        raise InvalidRequest("nothing was deleted", field="yes", action="Answer y to delete.")
