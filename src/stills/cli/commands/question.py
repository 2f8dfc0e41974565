"""A question for whoever sits at the terminal."""

import signal
import sys
from contextlib import ExitStack, suppress


def ask(question: str, *, piped: bool) -> bool:
    """Ask on a terminal, where Enter means no; where nobody can answer, that is a yes.

    `piped` says that standard input brought something else, so the terminal itself is asked.
    """
    with ExitStack() as opened:
        answers = sys.stdin
        if piped:
            with suppress(OSError):  # there is no terminal
                answers = opened.enter_context(open("/dev/tty"))  # noqa: PTH123 - no file
        if not (answers.isatty() and sys.stderr.isatty()):
            return True
        print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
        # The event loop would only note Ctrl-C; here it has to end the waiting.
        handler = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            return answers.readline().strip().lower() in {"y", "yes"}
        finally:
            signal.signal(signal.SIGINT, handler)
