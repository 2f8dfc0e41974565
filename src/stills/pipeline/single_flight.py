"""Single flight: of many callers in one process who want the same thing, one works."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from stills.contract.errors import StillsError

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class _Call(Generic[Value]):
    """One task, and how many wait for it."""

    def __init__(self, task: "asyncio.Task[Value]", abandon: Callable[[], bool]) -> None:
        self.task = task
        self.abandon = abandon
        self.callers = 0


class SingleFlight(Generic[Key, Value]):
    """Owns the tasks that do the work; a caller who gives up does not stop a paid one."""

    def __init__(self) -> None:
        self._flights: dict[Key, _Call[Value]] = {}
        self._tasks: set[asyncio.Task[Value]] = set()

    def __contains__(self, key: Key) -> bool:
        """Tell whether something flies under `key`."""
        return key in self._flights

    async def join(
        self,
        key: Key,
        work: Callable[[], Awaitable[Value]],
        *,
        abandon: Callable[[], bool] = lambda: False,
    ) -> tuple[Value, bool]:
        """Return the value of `key` and whether this caller began the work for it.

        When the last caller has given up, `abandon` of the first says whether the work ends too.
        A StillsError reaches each caller as a copy of its own, caused by the one that was raised.
        """
        flight = self._flights.get(key)
        begun = flight is None
        if flight is None:
            flight = _Call(asyncio.ensure_future(_run(work)), abandon)
            self._flights[key] = flight
            self._tasks.add(flight.task)
            flight.task.add_done_callback(lambda _: self._land(key, flight))
        flight.callers += 1
        try:
            return await asyncio.shield(flight.task), begun
        except StillsError as error:
            raise error.with_() from error
        finally:
            flight.callers -= 1
            if not flight.callers and not flight.task.done() and flight.abandon():
                self._forget(key, flight)  # whoever comes now must not join what is ending
                flight.task.cancel()

    async def drain(self) -> None:
        """Wait until nothing flies any more."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def close(self) -> None:
        """Cancel what still flies and wait until it has landed."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _land(self, key: Key, flight: _Call[Value]) -> None:
        self._tasks.discard(flight.task)
        self._forget(key, flight)
        if not flight.task.cancelled():
            flight.task.exception()  # every caller may have left: then nobody else asks for it

    def _forget(self, key: Key, flight: _Call[Value]) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]


async def _run(work: Callable[[], Awaitable[Value]]) -> Value:
    return await work()
