"""The sandbox's HTTP server."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from stills.sandbox.compatible import COMPATIBLE_PATH, CompatibleEndpoint
from stills.sandbox.control import CONTROL_PATH, ControlPlane
from stills.sandbox.downloads import DownloadEndpoint
from stills.sandbox.errors import error_response, invalid_parameter
from stills.sandbox.faults import Fault
from stills.sandbox.generation import GenerationEndpoint
from stills.sandbox.ledger import RequestLedger
from stills.sandbox.model_list import ModelListEndpoint
from stills.sandbox.rules import no_asynchronous_calls
from stills.sandbox.settings import SandboxSettings
from stills.sandbox.state import BASE_PATH, SandboxState, new_request_id
from stills.sandbox.tasks import TaskEndpoint
from stills.sandbox.uploads import UPLOAD_PATH, UploadEndpoints

API_PATH = "/api/v1"
_GENERATION_PATH = "/services/aigc/multimodal-generation/generation"
_TASK_CREATION_PATH = "/services/aigc/image-generation/generation"
_LARGEST_BODY_BYTES = 64 * 1024 * 1024
_CLOSE_GRACE_SECONDS = 0.05  # for aiohttp, 0 means to wait forever
_THREAD_COUNT = 4


class Sandbox:
    """A DashScope look-alike over HTTP: `async with Sandbox() as sandbox: sandbox.base_url`."""

    def __init__(self, settings: SandboxSettings | None = None) -> None:
        self._settings = settings or SandboxSettings()
        self._threads = ThreadPoolExecutor(_THREAD_COUNT, thread_name_prefix="sandbox")
        self._state = SandboxState(self._settings, self._threads)
        self._in_flight: set[asyncio.Task[object]] = set()
        self._runner: web.AppRunner | None = None
        self._origin = ""

    async def __aenter__(self) -> Self:
        """Start listening; raises `OSError` if the port is taken."""
        application = _application(self._state, self._count_in_flight)
        self._runner = web.AppRunner(
            application, access_log=None, shutdown_timeout=_CLOSE_GRACE_SECONDS
        )
        try:
            await self._runner.setup()
            await web.TCPSite(self._runner, self._settings.host, self._settings.port).start()
        except BaseException:
            await self.close()
            raise
        host, port = self._runner.addresses[0][:2]
        self._origin = f"http://{_reachable(host)}:{port}"
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop listening and drop open connections."""
        await self.close()

    async def close(self) -> None:
        """Stop listening and drop open connections; a second call does nothing."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        await self._state.tasks.close()
        # aiohttp stops handlers of open connections, but not those of clients that have left.
        for task in self._in_flight:
            task.cancel()
        await asyncio.gather(*self._in_flight, return_exceptions=True)
        self._threads.shutdown(cancel_futures=True)

    @web.middleware
    async def _count_in_flight(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine always runs in one
        self._in_flight.add(task)
        task.add_done_callback(self._in_flight.discard)
        return await handler(request)

    @property
    def base_url(self) -> str:
        """Value of DASHSCOPE_HTTP_BASE_URL or `base_address` that reaches the sandbox."""
        return f"{self._origin}{self._settings.base_path}{API_PATH}"

    @property
    def control_url(self) -> str:
        """URL of the control plane."""
        return f"{self._origin}{CONTROL_PATH}"

    @property
    def ledger(self) -> RequestLedger:
        """Every request that arrived."""
        return self._state.ledger

    def set_faults(self, *faults: Fault) -> None:
        """Replace all faults; without arguments, no faults happen."""
        self._state.faults.set(faults)

    def reset(self) -> None:
        """Forget faults, requests and images, and refill the rate limit."""
        self._state.reset()


async def serve(settings: SandboxSettings, announce: Callable[[Sandbox], None]) -> None:
    """Run a sandbox until cancelled; `announce` is called once when it listens."""
    async with Sandbox(settings) as sandbox:
        announce(sandbox)
        await asyncio.Event().wait()


def _application(state: SandboxState, middleware: Middleware) -> web.Application:
    application = web.Application(middlewares=[middleware], client_max_size=_LARGEST_BODY_BYTES)
    application.on_response_prepare.append(_mark)
    base = application[BASE_PATH] = state.settings.base_path
    api = f"{base}{API_PATH}"
    tasks = TaskEndpoint(state)
    uploads = UploadEndpoints(state)
    application.add_routes(
        [
            web.post(f"{api}{_GENERATION_PATH}", GenerationEndpoint(state).post),
            web.post(f"{base}{COMPATIBLE_PATH}", CompatibleEndpoint(state).post),
            web.post(f"{api}{_TASK_CREATION_PATH}", tasks.post),
            # The SDK asks with a slash at the end.
            web.get(api + "/tasks/{task_id}{slash:/?}", tasks.get, allow_head=False),
            web.get(base + "/images/{file_name}", DownloadEndpoint(state).get),
            web.get(f"{api}/models", ModelListEndpoint(state).get, allow_head=False),
            web.get(f"{api}/uploads", uploads.get_policy, allow_head=False),
            web.post(f"{base}{UPLOAD_PATH}", uploads.post_file),
            *ControlPlane(state).routes(),
            web.route("*", api + "/{path:.*}", _refuse_path),
        ]
    )
    return application


async def _mark(_: web.Request, response: web.StreamResponse) -> None:
    response.headers["X-Stills-Sandbox"] = "1"


async def _refuse_path(request: web.Request) -> web.Response:
    """Refuse requests to other paths, such as those of other asynchronous tasks."""
    if request.headers.get("X-DashScope-Async", "").lower() == "enable":
        return error_response(no_asynchronous_calls(), new_request_id())
    return error_response(invalid_parameter("url error, please check url!"), new_request_id())


def _reachable(host: str) -> str:
    """Return the host to use in a URL for a bound address."""
    if host in {"0.0.0.0", "::"}:  # noqa: S104 - compared, not bound
        return "127.0.0.1" if host == "0.0.0.0" else "[::1]"  # noqa: S104
    return f"[{host}]" if ":" in host else host
