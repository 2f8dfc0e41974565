"""State that the endpoints of a sandbox share."""

import asyncio
import uuid
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar

from aiohttp import web

from stills.sandbox.faults import FaultBoard
from stills.sandbox.images import ImageStore
from stills.sandbox.ledger import RequestLedger
from stills.sandbox.rate import TokenBucket
from stills.sandbox.rules import MODELS, ServedModels
from stills.sandbox.settings import SandboxSettings
from stills.sandbox.task_store import TaskStore

T = TypeVar("T")

BASE_PATH = web.AppKey("base_path", str)


class SandboxState:
    """Settings, faults, ledger, rate limit, tasks, images, and the threads that render them.

    `uploaded` are the keys of uploaded files.
    """

    def __init__(self, settings: SandboxSettings, threads: Executor) -> None:
        self.settings = settings
        self.faults = FaultBoard()
        self.ledger = RequestLedger()
        self.rate_limit = TokenBucket(settings.rate_limit_per_second)
        self.images = ImageStore(settings.url_ttl_seconds)
        likenesses = {new: MODELS[known] for new, known in settings.models_like.items()}
        self.models = ServedModels({**MODELS, **likenesses}, settings.retired_models)
        self.uploaded: set[str] = set()
        self.tasks = TaskStore(settings.task_life_seconds)
        self._threads = threads

    def reset(self) -> None:
        """Return to the initial state: no faults, requests, tasks, uploads or images."""
        self.faults.set([])
        self.ledger.clear()
        self.rate_limit.refill()
        self.tasks.clear()
        self.uploaded.clear()
        self.images.clear()

    async def run_in_thread(self, work: Callable[[], T]) -> T:
        """Run CPU work in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def new_request_id() -> str:
    """Make a request id in the service's format."""
    return str(uuid.uuid4())


def origin(request: web.Request) -> str:
    """Return scheme, host and port as the client used them, and the base path, for its URLs."""
    return f"{request.scheme}://{request.host}{request.app[BASE_PATH]}"


def drop_connection(request: web.Request) -> web.Response:
    """Drop the connection without an answer; the returned response is never sent."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
