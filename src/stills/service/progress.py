"""Progress: how far a request has come, for callers who wait."""

from collections.abc import Callable

from stills.contract.generation import Stage

OnProgress = Callable[[Stage, int], None]
"""Called at each stage with the position in the queue: 1 is next, 0 means out of the queue."""

OnTakeProgress = Callable[[int, Stage, int], None]
"""The same, with the number of the take first, from 0."""


def ignore_progress(_stage: Stage, _position: int) -> None:
    """Do nothing."""


def ignore_take_progress(_take: int, _stage: Stage, _position: int) -> None:
    """Do nothing."""
