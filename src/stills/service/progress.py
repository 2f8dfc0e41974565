"""Progress: how far a request has come, for callers who wait."""

from collections.abc import Callable

from stills.contract.generation import Stage

OnProgress = Callable[[Stage, int], None]
"""Called at each stage with the position in the queue: 1 is next, 0 means out of the queue."""


def ignore_progress(_stage: Stage, _position: int) -> None:
    """Do nothing."""
