"""The line: generations that wait for their start, so that each can be told its position."""

from collections.abc import Callable

from stills.contract.generation import OnStage, Stage
from stills.http.metrics import Metrics

OnProgress = Callable[[Stage, int], None]
"""Told each stage that is reached, and the position in the line: 1 is next, 0 is past it."""


class Queue:
    """Who waits in this process, in the order they came."""

    def __init__(self, metrics: Metrics) -> None:
        self._waiting: dict[object, OnProgress] = {}
        self._metrics = metrics

    def follow(self, on_place: OnProgress) -> tuple[OnStage, Callable[[], None]]:
        """Give what is to be called at each stage, and what to call at the end."""
        place = object()

        def on_stage(stage: Stage) -> None:
            if stage is Stage.CLAIMED:
                self._waiting[place] = on_place
                self._metrics.queue.set(len(self._waiting))
                on_place(stage, len(self._waiting))
                return
            leave()
            on_place(stage, 0)

        def leave() -> None:
            if self._waiting.pop(place, None) is None:
                return
            self._metrics.queue.set(len(self._waiting))
            for position, told in enumerate(self._waiting.values(), start=1):
                told(Stage.CLAIMED, position)

        return on_stage, leave
