"""The routes of a folder under review, relative to its page."""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from stills.contract.errors import InvalidRequest, StillsError
from stills.contract.image_kinds import HEAD_BYTES, ImageKind, find_kind
from stills.contract.strict_json import STRICT, explain
from stills.http.errors import error_answer, not_found
from stills.http.event_stream import COMMENT, STREAM, write_event
from stills.http.review.session import ReviewSession
from stills.review.page.document import policy_of

_KEEP_ALIVE_SECONDS = 10.0
_STREAM_SECONDS = 20.0  # a browser connects again; a server that stops waits no longer
_RETRY = b"retry: 500\n\n"
_PICTURE_MAX_BYTES = 100 * 1024 * 1024
_JSON_MAX_BYTES = 1024 * 1024
_BYTES = "application/octet-stream"
_SHOWN_KINDS = (ImageKind.PNG, ImageKind.JPEG)
_PRIVATE = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class ReviewRoutes:
    """Answers the requests of a page. `path` begins and ends with a slash.

    The session is set when the event loop runs that it belongs to.
    """

    session: ReviewSession

    def __init__(self, path: str) -> None:
        self._path = path

    def list(self) -> list[Route]:
        """Return the routes."""
        return [
            Route(self._path.rstrip("/"), self._to_page, methods=["GET"]),
            Route(self._path, self._page, methods=["GET"]),
            *(
                Route(f"{self._path}{name}", answer, methods=[method])
                for name, answer, method in (
                    ("shot", self._shot, "GET"),
                    ("state", self._state, "GET"),
                    ("plan", self._plan, "GET"),
                    ("events", self._events, "GET"),
                    ("decisions", self._decide, "POST"),
                    ("undo", self._undo, "POST"),
                    ("own", self._use_own, "POST"),
                    ("generate", self._generate, "POST"),
                    ("stop", self._stop, "POST"),
                    ("{folder:path}/{name}", self._file, "GET"),
                )
            ),
        ]

    async def _to_page(self, _: Request) -> Response:
        name = self._path.rstrip("/").rpartition("/")[2]
        return RedirectResponse(f"./{name}/", status_code=307)  # a proxy may add a path of its own

    async def _page(self, _: Request) -> Response:
        page = await self.session.render()
        headers = {**_PRIVATE, "Content-Security-Policy": policy_of(page)}
        return Response(page, headers=headers, media_type="text/html")

    async def _shot(self, request: Request) -> Response:
        shot = await self.session.render_shot(request.query_params.get("id", ""))
        data = shot.encode("utf-8", "replace")
        return Response(data, headers=_PRIVATE, media_type="text/html")

    async def _state(self, _: Request) -> Response:
        return _json(await self.session.state())

    async def _plan(self, request: Request) -> Response:
        return _json(await self.session.plan(_read_cap(request.query_params.get("cap"))))

    async def _decide(self, request: Request) -> Response:
        return _json(await self.session.decide(await _read_object(request)))

    async def _undo(self, request: Request) -> Response:
        await _read_object(request)
        return _json(await self.session.undo())

    async def _use_own(self, request: Request) -> Response:
        if request.headers.get("content-type") != _BYTES:  # no form of another site can send it
            raise InvalidRequest(f"the body is not {_BYTES}", action=f"Send it as {_BYTES}.")
        data = await _read_body(request, _PICTURE_MAX_BYTES)
        shot, name = (request.query_params.get(one, "") for one in ("shot", "name"))
        return _json(await self.session.use_own(shot, data, name))

    async def _generate(self, request: Request) -> Response:
        payer = getattr(request.state, "payer", None)  # None without keys
        return _json(await self.session.generate(await _read_object(request), payer))

    async def _stop(self, request: Request) -> Response:
        await _read_object(request)
        self.session.stop()
        return _json({"running": self.session.progress()})

    async def _file(self, request: Request) -> Response:
        name = "{folder}/{name}".format(**request.path_params)
        path = await self.session.find_file(name)
        folder = self.session.folder
        data = None if path is None else await asyncio.to_thread(_read_image, path, folder)
        if data is None:
            return not_found("This page has no such file.")
        kind = find_kind(data[:HEAD_BYTES])
        headers = {**_PRIVATE, "Cache-Control": "private, no-cache"}
        return Response(data, headers=headers, media_type=str(kind))

    async def _events(self, _: Request) -> Response:
        return StreamingResponse(
            self._send_events(),
            media_type=STREAM,
            headers={**_PRIVATE, "X-Accel-Buffering": "no"},
        )

    async def _send_events(self) -> AsyncGenerator[bytes]:
        queue = self.session.listen()
        until = asyncio.get_running_loop().time() + _STREAM_SECONDS
        try:
            yield _RETRY
            yield write_event("state", await self.session.state())
            while (left := until - asyncio.get_running_loop().time()) > 0:
                try:
                    event = await asyncio.wait_for(queue.get(), min(left, _KEEP_ALIVE_SECONDS))
                except TimeoutError:
                    yield COMMENT
                    continue
                if event is None:
                    return
                yield write_event(*event)
        finally:
            self.session.leave(queue)


async def answer_error(_: Request, error: Exception) -> Response:
    """Answer with an error of ours."""
    if not isinstance(error, StillsError):
        raise error
    return error_answer(error)


def _json(answer: Mapping[str, Any]) -> Response:
    return JSONResponse(answer, headers=_PRIVATE)


async def _read_object(request: Request) -> dict[str, Any]:
    """Read a JSON object; a form of another site can't send its media type."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise InvalidRequest("the body is not JSON", action="Send it as application/json.")
    body = await _read_body(request, _JSON_MAX_BYTES)
    try:
        given = STRICT.decode(body.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"the body is not JSON: {explain(error)}") from None
    if not isinstance(given, dict):
        raise InvalidRequest("the body is not a JSON object")
    return given


async def _read_body(request: Request, most: int) -> bytes:
    chunks = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > most:
            raise InvalidRequest(f"the body has more than {most} bytes", action="Send less.")
        chunks.append(chunk)
    return b"".join(chunks)


def _read_cap(given: str | None) -> float | None:
    if not given:
        return None
    try:
        return float(json.loads(given))
    except (ValueError, TypeError):
        raise InvalidRequest(
            "the cap is not a number", field="cap", action="Give US dollars, such as 2.50."
        ) from None


def _read_image(path: Path, folder: Path) -> bytes | None:
    """Read an image of the folder; None if it leads out of it, or is another file. Blocks."""
    try:
        real = path.resolve(strict=True)
        if not real.is_relative_to(folder.resolve()) or not real.is_file():
            return None
        with real.open("rb") as stream:
            head = stream.read(HEAD_BYTES)
            return head + stream.read() if find_kind(head) in _SHOWN_KINDS else None
    except OSError:
        return None
