"""An event loop on a simulated clock, so that waits take no time and can be measured exactly."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine


class SimulatedClock(asyncio.SelectorEventLoop):
    """An event loop whose time jumps to the next event."""

    def __init__(self) -> None:
        self._seconds = 0.0
        super().__init__(selectors.SelectSelector())
        wait = self._selector.select

        def jump(timeout: float | None = None) -> list[object]:
            self._seconds += timeout or 0.0
            return wait(0)

        self._selector.select = jump

    def time(self) -> float:
        return self._seconds


def run(main: Callable[[], Coroutine[None, None, None]]) -> None:
    """Run a coroutine function on a simulated clock."""
    with asyncio.Runner(loop_factory=SimulatedClock) as runner:
        runner.run(main())
