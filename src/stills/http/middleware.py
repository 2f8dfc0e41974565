"""The gate: what every request goes through before a route sees it.

Its path is made one of ours, its body is read up to a limit, its key is checked, and when it is
answered, one line is logged. Plain ASGI: it also stands before what is mounted.
"""

import asyncio
import logging
import random
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stills.app import Stills
from stills.contract.access import BudgetOwner
from stills.contract.addresses import is_this_machine
from stills.contract.errors import KeyRefused, StillsError
from stills.http.errors import error_answer, problem, unexpected
from stills.http.image_files import Header, ImageFiles, is_png
from stills.http.metrics import Metrics
from stills.http.settings import Settings

BODY_MAX_BYTES = 20 * 1024 * 1024
_MARKS_MAX = 10_000
_KEY_MEMORY_SECONDS = 1.0
_PROBES = ("/healthz", "/readyz")
_OPEN = (*_PROBES, "/openapi.json", "/docs")
_READS = ("GET", "HEAD")
_FORWARDED = frozenset(
    (b"forwarded", b"via", b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip")
)
_EVENTS = b"text/event-stream; charset=utf-8"
_CLIENT_GONE = 499  # as nginx logs it; nobody is there to be answered
_ROUTE = re.compile(
    r"/(?:v1/(?:images/(?:generations|edits)|images|models|image\.generate)"
    r"|images|healthz|readyz|metrics|mcp|docs|openapi\.json)(?=/|$)"
)
_LOG = logging.getLogger("stills.http")


@dataclass(slots=True)
class AccessLogEntry:
    """What the log says of one request; routes fill in what they know."""

    id: str
    method: str
    path: str
    key: str | None = None
    model: str | None = None
    cached: bool | None = None
    cost_usd: float | None = None
    images: int = 0
    sent: bool | None = None
    error: str | None = None
    status: int = 0
    ms: float = 0.0
    streams: bool = False


class _Gone(Exception):
    """The caller has left before its request was whole."""


class Middleware:
    """Wraps the service's application. A route finds `payer` and `entry` in the request's state."""

    def __init__(
        self, app: ASGIApp, png: ImageFiles, stills: Stills, settings: Settings, metrics: Metrics
    ) -> None:
        self._app = app
        self._png = png
        self._stills = stills
        self._settings = settings
        self._pages = frozenset(origin.encode() for origin in settings.cors_origins)
        self._metrics = metrics
        self.cut_off = False
        """Whether requests were cut off, for they took longer than a stop may."""
        self._keys_exist = False
        self._keys_looked_at = float("-inf")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or let the application do it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope["path"] = _our_path(scope["path"])
        scope["raw_path"] = scope["path"].encode()
        number = random.getrandbits(64)
        entry = AccessLogEntry(f"{number:016x}", scope["method"], scope["path"])
        began = time.perf_counter()
        try:
            if is_png(entry.path):
                await self._answer_png(scope, receive, send, entry)
            else:
                await self._answer(scope, receive, _telling(send, entry), entry)
        except asyncio.CancelledError:
            await self._cut_off(scope, receive, send, entry)
        except _Gone:
            entry.status = _CLIENT_GONE
        except Exception as error:  # noqa: BLE001 - the last one who can say that it failed
            # Its words and its traceback may hold paths of this machine: only at the level DEBUG.
            entry.error = type(error).__name__
            _LOG.error("request %s failed: %s", entry.id, entry.error)
            _LOG.debug("request %s", entry.id, exc_info=error)
            if not entry.status:
                await unexpected()(scope, receive, _telling(send, entry))
        finally:
            seconds = time.perf_counter() - began
            entry.ms = round(seconds * 1000, 1)
            self._metrics.answered(entry.method, normalize_route(entry.path), entry.status, seconds)
            _LOG.info("request", extra={"entry": entry})

    async def _answer_png(
        self, scope: Scope, receive: Receive, send: Send, entry: AccessLogEntry
    ) -> None:
        """Answer what is asked for most, without a key, and at no more than sending it costs."""
        refusal = await self._refuse_foreign(scope["headers"])
        if refusal is None and entry.method not in _READS:
            refusal = _not_served()
        if refusal is not None:
            await refusal(scope, receive, _telling(send, entry))
            return
        answer = await self._png.answer(entry.method, entry.path, scope["headers"])
        entry.status, entry.error = answer.status, answer.error
        headers = [*answer.headers, (b"x-request-id", entry.id.encode())]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    async def _answer(
        self, scope: Scope, receive: Receive, send: Send, entry: AccessLogEntry
    ) -> None:
        headers = Headers(scope=scope)
        refusal, payer = None, None
        if entry.path not in _PROBES:  # whoever asks learns nothing, and waits for no catalog
            refusal = await self._refuse_foreign(scope["headers"])
        if refusal is None:
            try:
                payer = await self._admit(entry.path, headers)
            except StillsError as error:
                entry.error, refusal = error.code, error_answer(error)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        entry.key = payer.name if payer else None
        state = scope.setdefault("state", {})
        state["payer"], state["entry"] = payer, entry
        if entry.method in _READS:
            # A copy: what HEAD gets is as for GET, and the server leaves the body out.
            await self._app({**scope, "method": "GET"}, receive, send)
            return
        body = None if _is_too_large(headers) else await _read(receive)
        if body is None:
            await _body_refused()(scope, receive, send)
            return
        if _has_too_many_parts(headers, body):
            entry.error = "invalid_request"
            await _parts_refused()(scope, receive, send)
            return
        state["body"] = body
        await self._app(scope, _replay(body, receive), send)

    async def _cut_off(
        self, scope: Scope, receive: Receive, send: Send, entry: AccessLogEntry
    ) -> None:
        """Say to a caller that the service stops before the answer is there."""
        self.cut_off, entry.error = True, "stopping"
        stopping = problem(
            503,
            "This service stops. Ask again: nothing was sent."
            if entry.sent is False
            else "This service stops. What was sent may be billed; asking again may send anew.",
            code="stopping",
            headers={
                "Retry-After": "5",
                "x-should-retry": "true" if entry.sent is False else "false",
            },
        )
        if not entry.status:
            await stopping(scope, receive, _telling(send, entry))
        elif entry.streams:
            event = b"event: error\ndata: " + bytes(stopping.body) + b"\n\n"
            await send({"type": "http.response.body", "body": event})

    async def _admit(self, path: str, headers: Headers) -> BudgetOwner | None:
        if self._settings.anyone or path in _OPEN or path.startswith("/images/"):
            return None
        if not (self._settings.keys_required or await self._have_keys()):
            return None
        scheme, _, shown = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not shown:
            raise KeyRefused("no key was given")
        return await self._stills.keys.admit(shown.strip())

    async def _have_keys(self) -> bool:
        now = time.monotonic()
        if now - self._keys_looked_at > _KEY_MEMORY_SECONDS:
            self._keys_exist = await self._stills.keys.exist()
            self._keys_looked_at = now
        return self._keys_exist

    async def _refuse_foreign(self, headers: Sequence[Header]) -> Response | None:
        """Refuse what a proxy passes on, or another web page sends, to a service without keys."""
        if self._settings.anyone or self._settings.keys_required:
            return None
        if self._is_local_call(headers):
            return None
        try:
            if await self._have_keys():
                return None
        except StillsError as error:
            return error_answer(error)
        return problem(
            403,
            "Without API keys, this service accepts requests only from local programs and its own "
            "pages. Create a key with `stills keys add NAME`.",
            code="key_refused",
        )

    def _is_local_call(self, headers: Sequence[Header]) -> bool:
        """Return whether a program of this machine sends this, or a page that may.

        A page of another port is another site: anything that a browser here has open.
        """
        hosts = [value for name, value in headers if name == b"host"]
        if len(hosts) != 1 or not _is_local(b"//" + hosts[0]):
            return False
        own = b"http://" + hosts[0].lower()
        return all(
            name not in _FORWARDED and (name != b"origin" or value == own or value in self._pages)
            for name, value in headers
        )


def _telling(send: Send, entry: AccessLogEntry) -> Send:
    """Note an answer's status as it is sent, and tell the caller the request's id."""

    async def told(message: Message) -> None:
        if message["type"] == "http.response.start":
            entry.status = message["status"]
            entry.streams = (b"content-type", _EVENTS) in message["headers"]
            message["headers"] = [*message["headers"], (b"x-request-id", entry.id.encode())]
        await send(message)

    return told


def get_budget_owner(request: Request) -> BudgetOwner | None:
    """Say who the gate let in; None without keys."""
    payer: BudgetOwner | None = request.state.payer
    return payer


def get_log_entry(request: Request) -> AccessLogEntry:
    """Give what the log will say of a request."""
    entry: AccessLogEntry = request.state.entry
    return entry


def _our_path(path: str) -> str:
    """Take a base URL that ends in nothing, /v1 or /api/v1: clients are set up in all three."""
    if is_png(path):
        return path
    if path.startswith("/api/v1/"):
        return path[4:]
    first = path.split("/", 2)[1] if path.startswith("/") else ""
    of_images = ("/images", "/images/generations", "/images/edits")
    if first in ("models", "image.generate") or path in of_images:
        return f"/v1{path}"
    return path


def normalize_route(path: str) -> str:
    """Shorten a path to its route, so that metrics stay few."""
    first = _ROUTE.match(path)
    return first[0] if first else "other"


@lru_cache(maxsize=64)  # it is asked for every request, and hardly ever of another
def _is_local(url: bytes) -> bool:
    """Tell whether a URL is of this machine."""
    try:
        return is_this_machine(urlsplit(url.decode("latin-1")).hostname or "")
    except ValueError:
        return False


def _is_too_large(headers: Headers) -> bool:
    length = headers.get("content-length", "0")
    return not (re.fullmatch("[0-9]{1,15}", length) and int(length) <= BODY_MAX_BYTES)


def _body_refused() -> Response:
    limit = BODY_MAX_BYTES // 1024 // 1024
    return problem(
        413,
        f"The body is over the limit of {limit} MB. Scale the reference down.",
        code="invalid_request",
    )


def _has_too_many_parts(headers: Headers, body: bytes) -> bool:
    """Count before it is parsed: millions of empty lists in a body would stop all answers.

    Texts and base64 have hardly any of these.
    """
    if headers.get("content-type", "").lower().startswith("multipart/"):
        return False
    return sum(body.count(mark) for mark in b"[{,") > _MARKS_MAX


def _parts_refused() -> Response:
    message = "the body has too many parts. Send the request's own fields."
    return problem(400, message, code="invalid_request")


def _not_served() -> Response:
    headers = {"Allow": ", ".join(_READS)}
    return problem(405, "Images are read alone.", code="not_served", headers=headers)


async def _read(receive: Receive) -> bytes | None:
    pieces: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Gone
        piece = message.get("body", b"")
        size += len(piece)
        if size > BODY_MAX_BYTES:
            return None
        pieces.append(piece)
        if not message.get("more_body", False):
            return b"".join(pieces)


def _replay(body: bytes, receive: Receive) -> Receive:
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
