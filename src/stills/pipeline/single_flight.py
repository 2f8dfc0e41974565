"""Single flight: many callers in one process wait for the same call, and one task makes it."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from stills.contract.errors import StillsError
from stills.pipeline.context import Deadline

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class _Call(Generic[Value]):
    """One task, the number of its callers, and the deadline they share, if it has one."""

    def __init__(
        self,
        task: "asyncio.Task[Value]",
        abandon: Callable[[], bool],
        deadline: Deadline | None,
    ) -> None:
        self.task = task
        self.abandon = abandon
        self.deadline = deadline
        self.callers = 0


class SingleFlight(Generic[Key, Value]):
    """Owns the tasks and their deadlines; a caller that gives up does not cancel a paid call."""

    def __init__(self) -> None:
        self._calls: dict[Key, _Call[Value]] = {}
        self._tasks: set[asyncio.Task[Value]] = set()

    def __contains__(self, key: Key) -> bool:
        """Return whether a call for `key` is in progress."""
        return key in self._calls

    def __len__(self) -> int:
        """Return how many tasks are in progress, including abandoned ones that are ending."""
        return len(self._tasks)

    async def join(
        self,
        key: Key,
        work: Callable[[], Awaitable[Value]],
        *,
        abandon: Callable[[], bool] = lambda: False,
    ) -> tuple[Value, bool]:
        """Return the value for `key`, and whether this caller began the call.

        When the last caller gives up, the first one's `abandon` decides whether the task is
        cancelled. A StillsError reaches each caller as its own copy, caused by the original.
        """
        call = self._calls.get(key)
        begun = call is None
        if call is None:
            call = self._begin(key, work, abandon, deadline=None)
        return await self._wait(key, call), begun

    async def join_until(
        self,
        deadline: Deadline,
        key: Key,
        work: Callable[[Deadline], Awaitable[Value]],
        *,
        abandon: Callable[[], bool] = lambda: False,
    ) -> tuple[Value, bool]:
        """Join a call that ends by the latest deadline of its callers, which is given to `work`.

        `deadline` is linked to the shared one, and not enforced here.

        Raises:
            TimeoutError: the shared deadline has passed.
        """
        call = self._calls.get(key)
        begun = call is None
        if call is None:
            shared = Deadline(deadline.at)

            async def bounded() -> Value:
                async with shared.hold():
                    return await work(shared)

            call = self._begin(key, bounded, abandon, deadline=shared)
        elif call.deadline is not None:
            call.deadline.extend(deadline.at)
        deadline.joined, deadline.pays = call.deadline, begun
        return await self._wait(key, call), begun

    async def drain(self) -> None:
        """Wait until all calls have ended."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def close(self) -> None:
        """Cancel all calls and wait until they have ended."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(
        self,
        key: Key,
        work: Callable[[], Awaitable[Value]],
        abandon: Callable[[], bool],
        *,
        deadline: Deadline | None,
    ) -> _Call[Value]:
        call = _Call(asyncio.ensure_future(_run(work)), abandon, deadline)
        self._calls[key] = call
        self._tasks.add(call.task)
        call.task.add_done_callback(lambda _: self._done(key, call))
        return call

    async def _wait(self, key: Key, call: _Call[Value]) -> Value:
        call.callers += 1
        try:
            return await asyncio.shield(call.task)
        except StillsError as error:
            raise error.with_() from error
        finally:
            call.callers -= 1
            if not call.callers and not call.task.done() and call.abandon():
                self._forget(key, call)  # nobody may join a call that is ending
                call.task.cancel()

    def _done(self, key: Key, call: _Call[Value]) -> None:
        self._tasks.discard(call.task)
        self._forget(key, call)
        if not call.task.cancelled():
            call.task.exception()  # without callers, asyncio would log it as never retrieved

    def _forget(self, key: Key, call: _Call[Value]) -> None:
        if self._calls.get(key) is call:
            del self._calls[key]


async def _run(work: Callable[[], Awaitable[Value]]) -> Value:
    return await work()
