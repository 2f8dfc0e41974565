"""Ctrl-C and similar signals: the first lets API calls finish, the second stops immediately."""

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

Result = TypeVar("Result")

_FINISHING = "stills: finishing API calls in flight; press Ctrl-C again to stop now."
_WRITING = "stills: every API call has finished; writing the results."


class Interrupts:
    """Handles Ctrl-C, SIGTERM and a closed terminal while the context is open.

    The first signal sets `stop`, and cancels the work if `is_sent` returns False. The second always
    cancels it. `count` is the number of signals before the work was done; later ones are ignored.
    A signal that the process ignores, as under nohup, stays ignored.
    """

    def __init__(self, stop: asyncio.Event, is_sent: Callable[[], bool]) -> None:
        self.count = 0
        self._stop = stop
        self._is_sent = is_sent
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[Any] | None = None
        self._handlers: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if (
            sys.platform == "win32"
        ):  # its event loop handles no signals: Ctrl-C always stops immediately
            return self
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            handler = signal.getsignal(number)
            if handler is not signal.SIG_IGN:
                self._loop.add_signal_handler(number, self._interrupt)
                self._handlers[number] = handler
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._handlers.items():
            self._loop.remove_signal_handler(number)
            signal.signal(number, handler)

    async def run(self, work: Callable[[], Coroutine[Any, Any, Result]]) -> Result | None:
        """Return the result of `work`, or None if an interruption stopped it."""
        self._task = asyncio.create_task(work())
        if self.count:  # interrupted before the work began
            self._task.cancel()
        try:
            result: Result = await self._task
        except asyncio.CancelledError:
            if not self.count:  # cancelled from outside
                raise
            return None
        return result

    def _interrupt(self) -> None:
        if self._task is not None and self._task.done():
            print(_WRITING, file=sys.stderr)
            return
        self.count += 1
        self._stop.set()
        if self.count == 1 and self._is_sent():
            print(_FINISHING, file=sys.stderr)
        elif self._task is not None:
            self._task.cancel()
