"""A line on a terminal that counts what is finished."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from stills.cli.screen import can_redraw

_REFRESH_SECONDS = 0.2
_CLEAR = "\r\x1b[K"


@contextmanager
def counting(verb: str, noun: str = "image") -> Iterator[Callable[[int], None]]:
    """Yield a function that shows its number, if standard error is a terminal."""
    if not can_redraw():
        yield lambda _: None
        return
    shown_at = time.monotonic()

    def show(number: int) -> None:
        nonlocal shown_at
        now = time.monotonic()
        if now - shown_at >= _REFRESH_SECONDS:
            shown_at = now
            things = noun if number == 1 else f"{noun}s"
            print(f"{_CLEAR}{number:,} {things} {verb}", end="", file=sys.stderr, flush=True)

    try:
        yield show
    finally:
        print(_CLEAR, end="", file=sys.stderr, flush=True)
