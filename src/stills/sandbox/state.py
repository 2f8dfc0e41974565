"""What the endpoints of one sandbox share."""

import asyncio
import uuid
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar

from aiohttp import web

from stills.sandbox.faults import FaultBoard
from stills.sandbox.images import Shelf
from stills.sandbox.ledger import Ledger
from stills.sandbox.rate import RateLimit
from stills.sandbox.settings import SandboxSettings

T = TypeVar("T")


class SandboxState:
    """Settings, faults, ledger, rate limit and pictures, and the threads that draw."""

    def __init__(self, settings: SandboxSettings, painters: Executor) -> None:
        self.settings = settings
        self.faults = FaultBoard()
        self.ledger = Ledger()
        self.rate_limit = RateLimit(settings.rate_limit_per_second)
        self.shelf = Shelf(settings.url_ttl_seconds)
        self._painters = painters

    def reset(self) -> None:
        """Go back to how it was at the start: no faults, no sends, no pictures."""
        self.faults.set([])
        self.ledger.clear()
        self.rate_limit.refill()
        self.shelf.clear()

    async def off_the_loop(self, work: Callable[[], T]) -> T:
        """Do CPU work in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._painters, work)


def new_request_id() -> str:
    """Make a request id of the form the service uses."""
    return str(uuid.uuid4())


def origin(request: web.Request) -> str:
    """Return scheme, host and port as the client reached us, to build URLs it can reach."""
    return f"{request.scheme}://{request.host}"


def drop_connection(request: web.Request) -> web.Response:
    """Cut the connection without a word; the answer returned goes nowhere."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
