"""The HTTP server: uvicorn, in one process or several, on a port taken before they start."""

import socket
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp
from uvicorn.supervisors import Multiprocess

from stills.contract.errors import InvalidRequest
from stills.http.connection import Connection, connections_max

GRACE_SECONDS = 30
_BACKLOG_MAX = 2048


def listen(host: str, port: int) -> socket.socket:
    """Take the port before anything else: callers wait from now on, and are not refused.

    Raises:
        InvalidRequest: it can't be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family, backlog=_backlog())
    except OSError as error:
        raise InvalidRequest(
            f"{host} port {port} can't be listened on: {error.strerror}",
            field="port",
            action="Choose another with --port, or stop what uses it.",
        ) from None
    listening.set_inheritable(True)
    return listening


def run_server(
    make_service: Callable[[], ASGIApp], listening: socket.socket, *, workers: int
) -> None:
    """Serve until SIGINT or SIGTERM; each process makes its own service."""
    config = uvicorn.Config(
        make_service,
        factory=True,
        workers=workers,
        http=Connection,
        backlog=_backlog(),
        lifespan="on",
        ws="none",
        access_log=False,
        log_config=None,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    if workers > 1:
        Multiprocess(config, sockets=[listening]).run()
    else:
        uvicorn.Server(config).run(sockets=[listening])


def _backlog() -> int:
    """Bound what is accepted at once: those are open files before any can be closed again."""
    return min(_BACKLOG_MAX, connections_max() // 2)
