"""Bound: what belongs to one event loop of one process, from its first use until it is closed."""

import asyncio
import os


class LoopGuard:
    """Tells a use that could only hang, or fail far from its cause."""

    def __init__(self) -> None:
        self.closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pid = 0

    def check(self) -> None:
        """Let a use pass, the first on a loop binds; what runs on no loop waits for nothing.

        Raises:
            RuntimeError: it was closed, or belongs to another loop or process.
        """
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            loop = None
        if loop is not None and self.closed:
            raise RuntimeError("this Stills is closed: open another, such as Stills.from_env()")
        if self._loop is None:
            self._loop, self._pid = loop, os.getpid()
        elif loop not in (self._loop, None) or os.getpid() != self._pid:
            raise RuntimeError(
                "this Stills belongs to the event loop and the process that used it first: "
                "open one for each, such as Stills.from_env()"
            )
