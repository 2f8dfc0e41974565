"""A question for whoever sits at the terminal."""

import signal
import sys


def ask(question: str) -> bool:
    """Ask on a terminal, where Enter means no; where nobody can answer, that is a yes."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return True
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    # The event loop would only note Ctrl-C; here it has to end the waiting.
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return sys.stdin.readline().strip().lower() in {"y", "yes"}
    finally:
        signal.signal(signal.SIGINT, handler)
