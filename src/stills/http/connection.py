"""One HTTP connection, within limits that uvicorn does not set.

Without them, silent connections would use up the open files of the process.
"""

import sys
from asyncio import AbstractEventLoop, BaseTransport, TimerHandle, Transport
from functools import cache
from http import HTTPStatus
from typing import Any, cast

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from stills.http.errors import problem

HEAD_SECONDS = 10.0
"""How long a request's line and headers may take, and a new connection may stay silent."""

BODY_SECONDS = 30.0
"""How long a body may take, plus a second for each `BODY_BYTES_PER_SECOND` of it."""

BODY_BYTES_PER_SECOND = 16 * 1024
HEAD_MAX_BYTES = 64 * 1024

STOPPING = "stopping"
"""The name in a request's state of the event that is set when the server stops."""

_CONNECTIONS_MAX = 4096
_STALLED_CHECKS_MAX = 6  # a client that reads nothing for that long is gone


@cache
def connections_max() -> int:
    """Return how many connections a process accepts: half of its open files are for the rest."""
    if sys.platform == "win32":
        return _CONNECTIONS_MAX
    import resource  # noqa: PLC0415 - Windows has none

    return min(_CONNECTIONS_MAX, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)


class Connection(HttpToolsProtocol):
    """Closes if its client takes too long to send a request or to read the response.

    If there are too many connections, the one that has waited longest for its client closes.
    """

    check_seconds = 5.0
    """How often it checks whether its client keeps it waiting."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.began = self.loop.time()
        """When the latest request began, or the connection if there was none."""
        self._deadline: float | None = None
        """When the request being received must be complete; None between requests."""
        self._in_head = True
        self._head_bytes = 0
        self._unread_bytes = 0
        self._stalled_checks = 0
        self._timer: TimerHandle | None = None

    def connection_made(self, transport: BaseTransport) -> None:
        """Wait for a request, and close another connection if there are too many."""
        super().connection_made(cast("Transport", transport))
        self._begin_head()
        self._timer = self.loop.call_later(self.check_seconds, self._check)
        if len(self.connections) > connections_max():
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop watching."""
        super().connection_lost(exc)
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        """Parse the data; the deadline also covers bytes that do not begin a request."""
        if self._deadline is None:
            self._begin_head()
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_MAX_BYTES:
                self._refuse(
                    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "The headers are too long."
                )

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._begin_head()

    def on_headers_complete(self) -> None:
        """Begin its body, which may be empty."""
        self._in_head = False
        self._deadline = self.loop.time() + BODY_SECONDS
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Receive a part of the body."""
        if self._deadline is not None:
            self._deadline += len(body) / BODY_BYTES_PER_SECOND
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End the request; from now on the client waits for us."""
        self._deadline = None
        super().on_message_complete()

    def shutdown(self) -> None:
        """Close when the answer is complete; say so to those that would go on for long."""
        stopping = self.app_state.get(STOPPING)
        if stopping is not None:
            stopping.set()
        super().shutdown()

    def is_answering(self) -> bool:
        """Return whether the client waits for us: a request is complete and its answer is not."""
        is_open = self.cycle is not None and not self.cycle.response_complete
        # In the head of a request, `cycle` is still the previous one.
        return is_open and (self._deadline is None or self._in_head or bool(self.pipeline))

    def _begin_head(self) -> None:
        self._in_head, self._head_bytes = True, 0
        self.began = self.loop.time()
        self._deadline = self.began + HEAD_SECONDS

    def _check(self) -> None:
        """Close the connection if its client keeps us waiting; otherwise check again later."""
        unread = self.transport.get_write_buffer_size()
        is_stalled = 0 < self._unread_bytes <= unread
        self._unread_bytes = unread
        self._stalled_checks = self._stalled_checks + 1 if is_stalled else 0
        is_late = self._deadline is not None and self.loop.time() >= self._deadline
        if self._stalled_checks >= _STALLED_CHECKS_MAX:
            self.transport.abort()
        elif is_late and not (self.is_answering() or self.flow.read_paused):
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, "The request took too long to arrive.")
        self._timer = self.loop.call_later(self.check_seconds, self._check)

    def _make_room(self) -> None:
        """Close the connection that has waited longest for its client."""
        waiting = [
            one
            for one in self.connections
            if isinstance(one, Connection)
            and not (one.transport.is_closing() or one.is_answering())
        ]
        min(waiting, key=lambda one: one.began, default=self).transport.abort()

    def _refuse(self, status: HTTPStatus, message: str) -> None:
        """Close the connection; send the reason if a request began and its response did not."""
        if self._in_head:
            can_answer = self._head_bytes > 0 and not self.is_answering()
        else:
            can_answer = not self.cycle.response_started
        if can_answer and not self.transport.is_closing():
            self.transport.write(_write_refusal(status, message))
        self.transport.close()


def _write_refusal(status: HTTPStatus, message: str) -> bytes:
    answer = problem(status, message, code="invalid_request", headers={"Connection": "close"})
    lines = [f"HTTP/1.1 {status.value} {status.phrase}".encode()]
    lines += [name + b": " + value for name, value in answer.raw_headers]
    return b"\r\n".join([*lines, b"", bytes(answer.body)])
