"""The queue: generations that wait for their start, so that each caller can see its position."""

from collections.abc import Callable

from stills.contract.generation import OnStage, Stage
from stills.service.progress import OnProgress


class Queue:
    """The generations of this process that wait, in the order they arrived."""

    def __init__(self, on_length: Callable[[int], None]) -> None:
        self._waiting: dict[object, OnProgress] = {}
        self._on_length = on_length

    def follow(self, on_progress: OnProgress) -> tuple[OnStage, Callable[[], None]]:
        """Return a function to call at each stage, and one to call at the end."""
        entry = object()

        def on_stage(stage: Stage) -> None:
            if stage is Stage.CLAIMED:
                self._waiting[entry] = on_progress
                self._on_length(len(self._waiting))
                on_progress(stage, len(self._waiting))
                return
            leave()
            on_progress(stage, 0)

        def leave() -> None:
            if self._waiting.pop(entry, None) is None:
                return
            self._on_length(len(self._waiting))
            for position, move_up in enumerate(self._waiting.values(), start=1):
                move_up(Stage.CLAIMED, position)

        return on_stage, leave
