"""What happens to every request before its route: path, access, body limit, log line.

Plain ASGI, so that it also covers mounted applications.
"""

import asyncio
import logging
import random
import re
import time

from starlette.datastructures import Headers
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stills.contract.errors import InvalidRequest, StillsError
from stills.http.access_log import AccessLogEntry
from stills.http.auth import AccessControl
from stills.http.content_encoding import GZIP, decompress
from stills.http.errors import error_answer, list_methods, problem, unexpected, wrong_method
from stills.http.event_stream import write_refusal
from stills.http.image_files import ImageFiles
from stills.http.login import refuse
from stills.http.metrics import Metrics
from stills.http.paths import (
    JOBS_PATH,
    PROBES,
    find_page,
    is_image_path,
    normalize_path,
    normalize_route,
)

BODY_MAX_BYTES = 20 * 1024 * 1024
_MARKS_MAX = 10_000
_JOB_MARKS_MAX = 250_000
"""Of a job, which may be a long list of shots and is therefore read in a thread."""

_READ_METHODS = ("GET", "HEAD")
_EVENT_STREAM = b"text/event-stream; charset=utf-8"
_CLIENT_GONE = 499  # as nginx logs it
_LOG = logging.getLogger("stills.http")


class _ClientGone(Exception):
    """The client left before its request was complete."""


class Middleware:
    """Wraps the application. A route finds `payer`, `entry` and `body` in the request's state."""

    def __init__(
        self, app: ASGIApp, image_files: ImageFiles, access: AccessControl, metrics: Metrics
    ) -> None:
        self._app = app
        self._image_files = image_files
        self._access = access
        self._metrics = metrics
        self.cut_off = False
        """Whether requests were cut off because they outlasted the time for a stop."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or let the application answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = scope["path"]
        scope["path"] = normalize_path(given)
        scope["raw_path"] = scope["path"].encode()
        entry = AccessLogEntry(f"{random.getrandbits(64):016x}", scope["method"], scope["path"])
        started_at = time.perf_counter()
        try:
            if is_image_path(entry.path):
                await self._answer_image(scope, receive, send, entry)
            elif entry.method in _READ_METHODS and (page := find_page(given, entry.path)):
                answer = RedirectResponse(_with_query(page, scope), status_code=307)
                await answer(scope, receive, _note_response(send, entry))
            else:
                await self._answer(scope, receive, _note_response(send, entry), entry)
        except asyncio.CancelledError:
            await self._cut_off(scope, receive, send, entry)
        except _ClientGone:
            entry.status = _CLIENT_GONE
        except Exception as error:  # noqa: BLE001 - nothing above can answer the client
            # The message and the traceback may hold paths of this machine: only at level DEBUG.
            entry.error = type(error).__name__
            _LOG.error("request %s failed: %s", entry.id, entry.error)
            _LOG.debug("request %s", entry.id, exc_info=error)
            if not entry.status:
                await unexpected()(scope, receive, _note_response(send, entry))
            elif entry.streams:
                body = write_refusal(unexpected())
                await send({"type": "http.response.body", "body": body})
        finally:
            seconds = time.perf_counter() - started_at
            entry.ms = round(seconds * 1000, 1)
            route = normalize_route(entry.path)
            self._metrics.count_request(entry.method, route, entry.status, seconds)
            _LOG.info("request", extra={"entry": entry})

    async def _answer_image(
        self, scope: Scope, receive: Receive, send: Send, entry: AccessLogEntry
    ) -> None:
        """Answer the most frequent request without a key and with little overhead."""
        refusal = await self._refuse_origin(scope, entry)
        if refusal is None and entry.method not in _READ_METHODS:
            is_question = entry.method == "OPTIONS"
            refusal = (list_methods if is_question else wrong_method)(_READ_METHODS)
        if refusal is not None:
            await refusal(scope, receive, _note_response(send, entry))
            return
        answer = await self._image_files.answer(entry.method, entry.path, scope["headers"])
        entry.status, entry.error = answer.status, answer.error
        headers = [*answer.headers, (b"x-request-id", entry.id.encode())]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    async def _answer(
        self, scope: Scope, receive: Receive, send: Send, entry: AccessLogEntry
    ) -> None:
        headers = Headers(scope=scope)
        refusal, payer = None, None
        if entry.path not in PROBES:  # a probe learns nothing, and must not wait for the catalog
            refusal = await self._refuse_origin(scope, entry)
        if refusal is None:
            try:
                payer = await self._access.authenticate(entry.method, entry.path, headers)
            except StillsError as error:
                entry.error, refusal = error.code, refuse(error, scope, headers, self._access)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        entry.key = payer.name if payer else None
        state = scope.setdefault("state", {})
        state["payer"], state["entry"] = payer, entry
        if entry.method in _READ_METHODS:
            # A copy: HEAD has the headers of GET, and the server omits the body.
            await self._app({**scope, "method": "GET"}, receive, send)
            return
        body = await _read_content(entry.path, headers, receive)
        if isinstance(body, Response):
            entry.error = "invalid_request"
            await body(scope, receive, send)
            return
        state["body"] = body
        if "content-encoding" in headers:
            scope = _without_encoding(scope)
        await self._app(scope, _replay(body, receive), send)

    async def _refuse_origin(self, scope: Scope, entry: AccessLogEntry) -> Response | None:
        try:
            if await self._access.allows_origin(scope["headers"]):
                return None
        except StillsError as error:
            entry.error = error.code
            return error_answer(error)
        return problem(
            403,
            "Without API keys, this service accepts requests only from local programs and its own "
            "pages. Create a key with `stills keys add NAME`.",
            code="key_refused",
        )

    async def _cut_off(
        self, scope: Scope, receive: Receive, send: Send, entry: AccessLogEntry
    ) -> None:
        """Tell a client that the service stops before its answer is ready."""
        self.cut_off, entry.error = True, "stopping"
        is_unsent = entry.sent is False
        stopping = problem(
            503,
            "The service is shutting down. Retry: nothing was sent."
            if is_unsent
            else "The service is shutting down. Requests already sent may be billed, and a retry "
            "may send another.",
            code="stopping",
            headers={"Retry-After": "5", "x-should-retry": "true" if is_unsent else "false"},
        )
        if not entry.status:
            await stopping(scope, receive, _note_response(send, entry))
        elif entry.streams:
            await send({"type": "http.response.body", "body": write_refusal(stopping)})


def _with_query(address: str, scope: Scope) -> str:
    query = scope["query_string"].decode("latin-1")
    return f"{address}?{query}" if query else address


def _note_response(send: Send, entry: AccessLogEntry) -> Send:
    """Log the status of a response as it is sent, and add the request's id to it."""

    async def send_noted(message: Message) -> None:
        if message["type"] == "http.response.start":
            entry.status = message["status"]
            entry.streams = (b"content-type", _EVENT_STREAM) in message["headers"]
            message["headers"] = [*message["headers"], (b"x-request-id", entry.id.encode())]
        await send(message)

    return send_noted


def _is_too_large(headers: Headers) -> bool:
    length = headers.get("content-length", "0")
    return not (re.fullmatch("[0-9]{1,15}", length) and int(length) <= BODY_MAX_BYTES)


def _body_too_large() -> Response:
    limit = BODY_MAX_BYTES // 1024 // 1024
    return problem(
        413,
        f"The body is over the limit of {limit} MB. Scale the references down, or send URLs.",
        code="invalid_request",
    )


def _unsupported_encoding() -> Response:
    return problem(
        415,
        "Unsupported Content-Encoding. Send the body as gzip, or without compression.",
        code="invalid_request",
        param="Content-Encoding",
    )


def _without_encoding(scope: Scope) -> Scope:
    """Return a request without the headers that describe its compressed body."""
    names = (b"content-encoding", b"content-length")
    return {**scope, "headers": [one for one in scope["headers"] if one[0] not in names]}


def _is_too_complex(headers: Headers, body: bytes, marks_max: int) -> bool:
    """Count before parsing: millions of empty lists in a body would block all other requests.

    Text and base64 have few of these characters.
    """
    if headers.get("content-type", "").lower().startswith("multipart/"):
        return False
    return sum(body.count(mark) for mark in b"[{,") > marks_max


def _body_too_complex(*, is_job: bool) -> Response:
    message = (
        "The list is too long for one request. Submit its shots as several jobs."
        if is_job
        else "The request body is too complex. Send only the fields of the request."
    )
    return problem(400, message, code="invalid_request")


async def _read_content(path: str, headers: Headers, receive: Receive) -> bytes | Response:
    """Return the decompressed body, or the answer that refuses it."""
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", GZIP):
        return _unsupported_encoding()
    body = None if _is_too_large(headers) else await _read_body(receive)
    if body is not None and encoding == GZIP:
        try:
            body = await asyncio.to_thread(decompress, body, BODY_MAX_BYTES)
        except InvalidRequest as error:
            return error_answer(error)
    if body is None:
        return _body_too_large()
    is_job = path == JOBS_PATH
    if _is_too_complex(headers, body, _JOB_MARKS_MAX if is_job else _MARKS_MAX):
        return _body_too_complex(is_job=is_job)
    return body


async def _read_body(receive: Receive) -> bytes | None:
    """Return the whole body, or None if it is over the limit."""
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _ClientGone
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > BODY_MAX_BYTES:
            return None
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)


def _replay(body: bytes, receive: Receive) -> Receive:
    is_replayed = False

    async def receive_again() -> Message:
        nonlocal is_replayed
        if is_replayed:
            return await receive()
        is_replayed = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again
