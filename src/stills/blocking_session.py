"""One open Stills for all blocking calls of a process, on an event loop in a thread of its own.

Opening a catalog takes longer than finding an image in it, so a script that calls `generate` often
would mostly wait for that.
"""

import asyncio
import concurrent.futures.thread  # noqa: F401 - it must be registered before SESSION.close
import os
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import Future, wait
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TypeVar

from stills.app import Stills
from stills.config import Config, read_config

Result = TypeVar("Result")

_WAIT_SECONDS = 1.0
"""How long a wait lasts before it looks for Ctrl-C, which only Windows needs."""


class _Opened:
    """An open Stills, what it was opened for, and how many calls use it."""

    def __init__(self, stills: Stills, opened_for: tuple[Config, bool, Path]) -> None:
        self.stills = stills
        self.opened_for = opened_for
        self.users = 0


class BlockingSession:
    """Runs coroutines for threads that have no event loop; several threads may use it at once."""

    def __init__(self) -> None:
        self._inherited: list[object] = []
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.Lock()  # of the loop, its thread and the number of calls
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._calls = 0
        self._stops_now = False
        self._opened: _Opened | None = None  # only the loop's thread changes it
        self._begun: set[asyncio.Task[None]] = set()

    def run(
        self, work: Coroutine[object, object, Result], *, on_interrupt: Callable[[], None]
    ) -> Result:
        """Run `work` and return its result.

        After Ctrl-C, `on_interrupt` is called on the event loop and `work` is awaited; a second
        Ctrl-C cancels it.

        Raises:
            KeyboardInterrupt: Ctrl-C, once or twice.
        """
        with self._lock:
            loop = self._start()
            self._calls += 1
        future = asyncio.run_coroutine_threadsafe(work, loop)
        try:
            _wait(future)
        except KeyboardInterrupt:
            loop.call_soon_threadsafe(on_interrupt)
            try:
                _wait(future)
            except KeyboardInterrupt:
                self._stops_now = True
                future.cancel()
            raise
        finally:
            with self._lock:
                self._calls -= 1
        return future.result()

    async def begin(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        """Begin `work`, which is cancelled when the program ends."""
        task = asyncio.create_task(work)
        self._begun.add(task)
        task.add_done_callback(self._begun.discard)
        return task

    def is_running(self, task: asyncio.Task[None]) -> bool:
        """Return whether work that was begun in this process has not ended."""
        return task in self._begun

    @asynccontextmanager
    async def open(self, *, sandbox: bool) -> AsyncIterator[Stills]:
        """Open Stills as the environment says now, or use the open one if nothing has changed.

        After an error it is closed, so that the next call reads the files of keys again.
        """
        opened_for = (read_config(), sandbox, Path.cwd())
        if self._opened is not None and self._opened.opened_for != opened_for:
            await self._retire(self._opened)
        if self._opened is None:
            self._opened = _Opened(Stills.from_env(sandbox=sandbox), opened_for)
        opened = self._opened
        opened.users += 1
        try:
            yield opened.stills
        except BaseException:
            opened.users -= 1
            await self._retire(opened)
            raise
        opened.users -= 1
        if opened is not self._opened:
            await self._retire(opened)

    def close(self) -> None:
        """Close everything, unless a call is under way in another thread."""
        with self._lock:
            if self._loop is None or self._thread is None or self._calls:
                return
            asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()
            self._loop = self._thread = None

    def prepare_fork(self) -> None:
        """Close everything before a fork, because a child can't use an open SQLite database."""
        busy = self._opened is not None and self._opened.stills.under_way
        if not busy and not self._begun and threading.current_thread() is not self._thread:
            self.close()

    def forget(self) -> None:
        """Forget the parent's event loop and Stills in a forked child, and never finalize them."""
        self._inherited += [self._opened, self._loop]
        self._reset()

    def _start(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(
                target=self._loop.run_forever, name="stills-blocking", daemon=True
            )
            self._thread.start()
        return self._loop

    async def _retire(self, opened: _Opened) -> None:
        """Let the next call open another Stills; close this one if no call uses it."""
        if self._opened is opened:
            self._opened = None
        if not opened.users:
            if not self._stops_now:
                await opened.stills.drain()
            await opened.stills.close()

    async def _close(self) -> None:
        begun = list(self._begun)
        for task in begun:
            task.cancel()
        await asyncio.gather(*begun, return_exceptions=True)
        if self._opened is not None:
            await self._retire(self._opened)
        with suppress(RuntimeError):  # Python 3.12.0 and 3.12.1 start no thread for it at the end
            await asyncio.get_running_loop().shutdown_default_executor()


def _wait(future: Future[Result]) -> None:
    while not wait([future], _WAIT_SECONDS).done:
        pass


SESSION = BlockingSession()
# Python stops the threads that closing needs before it calls the functions of `atexit`. What was
# registered last here is called first.
threading._register_atexit(SESSION.close)  # type: ignore[attr-defined]  # noqa: SLF001
os.register_at_fork(before=SESSION.prepare_fork, after_in_child=SESSION.forget)
