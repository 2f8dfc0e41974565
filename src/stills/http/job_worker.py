"""Health and metrics of a worker of jobs, for the operator."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from stills.app import Stills
from stills.contract.errors import ConfigError
from stills.http.connection import Connection
from stills.http.metrics import Metrics
from stills.http.routes.health import MetricsPage, Readiness

_GRACE_SECONDS = 5  # for a probe that is being answered


@asynccontextmanager
async def serving_health(
    stills: Stills, metrics: Metrics, *, host: str, port: int
) -> AsyncIterator[str]:
    """Serve /healthz, /readyz and /metrics while the body runs; yields the URL before the path.

    Raises:
        ConfigError: the port can't be opened.
    """
    readiness = Readiness(stills)
    with _listen(host, port) as listening:
        page = MetricsPage(stills, metrics)
        app = _make_app(page, readiness)
        config = uvicorn.Config(
            app,
            http=Connection,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
        server = _Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            yield f"http://{host}:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            await asyncio.gather(serving, return_exceptions=True)
            await readiness.close()
            await page.close()


class _Server(uvicorn.Server):
    """A server that leaves signals to the command."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle none."""
        yield


def _make_app(page: MetricsPage, readiness: Readiness) -> Starlette:
    async def show_health(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def show_readiness(_: Request) -> Response:
        trouble = await readiness.find_trouble()
        return JSONResponse(
            {"status": "ok" if trouble is None else "not ready"}, 200 if trouble is None else 503
        )

    async def show_metrics(_: Request) -> Response:
        return await page.answer()

    return Starlette(
        routes=[
            Route("/healthz", show_health),
            Route("/readyz", show_readiness),
            Route("/metrics", show_metrics),
        ]
    )


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port))
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(
            f"port {port} of {host} can't be opened: {reason}",
            field="port",
            action="Choose another with --port; 0 takes a free one.",
        ) from None
