"""Detect use from another event loop or process, or after closing."""

import asyncio
import os


class LoopGuard:
    """Rejects uses that would hang, or fail far from their cause."""

    def __init__(self) -> None:
        self.closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pid = 0

    def check(self) -> None:
        """Allow a use; the first one on an event loop binds to it. Without a loop nothing can hang.

        Raises:
            RuntimeError: it is closed, or belongs to another loop or process.
        """
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            loop = None
        if loop is not None and self.closed:
            raise RuntimeError("this Stills is closed: create another, e.g. Stills.from_env()")
        if self._loop is None:
            self._loop, self._pid = loop, os.getpid()
        elif loop not in (self._loop, None) or os.getpid() != self._pid:
            raise RuntimeError(
                "this Stills belongs to the event loop and process that used it first: "
                "create one for each, e.g. Stills.from_env()"
            )
