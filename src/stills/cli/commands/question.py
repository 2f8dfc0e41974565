"""Ask for confirmation on a terminal."""

import signal
import sys
from contextlib import ExitStack, suppress


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
        print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
        # asyncio's handler would not interrupt readline.
        handler = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            return answers.readline().strip().lower() in {"y", "yes"}
        finally:
            signal.signal(signal.SIGINT, handler)
