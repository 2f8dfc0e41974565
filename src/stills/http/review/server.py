"""The server of `stills review`: one folder, for one browser on this machine."""

import secrets
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from urllib.parse import parse_qs

import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from stills.app import Stills
from stills.contract.errors import ConfigError, StillsError
from stills.http.connection import Connection
from stills.http.errors import problem
from stills.http.review.routes import ReviewRoutes, answer_error
from stills.http.review.session import ReviewOptions, ReviewSession

PATH = "/review/"
_HOST = "127.0.0.1"
_GRACE_SECONDS = 30
_SECRET_BYTES = 24

Make = Callable[[], Stills]


@dataclass(frozen=True, slots=True)
class ReviewServer:
    """A server whose port is open. `url` works once, for one browser."""

    url: str
    listening: socket.socket
    gate: "Gate"
    make: Make
    options: ReviewOptions

    def run(self, on_finishing: Callable[[], None]) -> None:
        """Serve until SIGINT or SIGTERM; the same again does not wait for what was sent.

        `on_finishing` is called if there is something to wait for.
        """
        sessions: list[ReviewSession] = []
        app = _make_app(self.make, self.options, sessions)
        config = uvicorn.Config(
            self.gate.guard(app),
            http=Connection,
            lifespan="on",
            ws="none",
            access_log=False,
            log_level="warning",
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
        server = _Server(config, sessions, on_finishing)
        # uvicorn handles these only once it serves, and raises them again when it has stopped.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, server.handle_exit)
        server.run(sockets=[self.listening])


def open_review(make: Make, options: ReviewOptions, port: int) -> ReviewServer:
    """Open the port; 0 takes a free one.

    Raises:
        ConfigError: it can't be opened.
    """
    try:
        listening = socket.create_server((_HOST, port))
    except OSError as error:
        raise ConfigError(
            f"can't listen on port {port}: {error.strerror}",
            field="port",
            action="Choose another with --port, or leave it out.",
        ) from None
    gate = Gate(listening.getsockname()[1])
    return ReviewServer(f"{gate.origin}{PATH}?token={gate.token}", listening, gate, make, options)


class Gate:
    """Lets one browser in: the one that opens the URL with the token first, and keeps its cookie.

    A page of another site can't: it does not have the cookie, and its requests name its origin.
    """

    def __init__(self, port: int) -> None:
        self.token = secrets.token_urlsafe(_SECRET_BYTES)
        self.origin = f"http://{_HOST}:{port}"
        self._host = f"{_HOST}:{port}"
        self._cookie = f"stills_review_{port}"
        self._secret = secrets.token_urlsafe(_SECRET_BYTES)
        self._is_used = False

    def guard(self, app: ASGIApp) -> ASGIApp:
        """Return the application behind this gate."""

        async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            headers = Headers(scope=scope)
            answer: Response
            if headers.getlist("host") != [self._host]:
                answer = problem(403, "Open the address as it was printed.", code="key_refused")
            elif headers.get("origin", self.origin) != self.origin:
                answer = problem(
                    403, "Requests from other web pages are not allowed.", code="key_refused"
                )
            elif self._admits(headers):
                await app(scope, receive, send)
                return
            elif self._takes_token(scope):
                answer = RedirectResponse(PATH, status_code=303)
                answer.set_cookie(
                    self._cookie, self._secret, path=PATH, httponly=True, samesite="strict"
                )
            else:
                answer = problem(
                    403,
                    "This address works once, in one browser. Run `stills review` again for "
                    "another.",
                    code="key_refused",
                )
            await answer(scope, receive, send)

        return guarded

    def _admits(self, headers: Headers) -> bool:
        given = cookie_parser(headers.get("cookie", "")).get(self._cookie, "")
        return secrets.compare_digest(given.encode(), self._secret.encode())

    def _takes_token(self, scope: Scope) -> bool:
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        is_right = secrets.compare_digest(given.encode(), self.token.encode())
        if scope["path"] != PATH or scope["method"] != "GET" or self._is_used or not is_right:
            return False
        self._is_used = True
        return True


class _Server(uvicorn.Server):
    """Ends the streams of events before it waits for connections to close."""

    def __init__(
        self,
        config: uvicorn.Config,
        sessions: list[ReviewSession],
        on_finishing: Callable[[], None],
    ) -> None:
        super().__init__(config)
        self._sessions = sessions
        self._on_finishing = on_finishing

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the sessions, then the server."""
        for session in self._sessions:
            session.end_streams()
            if session.progress() is not None:
                session.stop()
                self._on_finishing()
        await super().shutdown(sockets)


def _make_app(make: Make, options: ReviewOptions, sessions: list[ReviewSession]) -> Starlette:
    routes = ReviewRoutes(PATH)

    @asynccontextmanager
    async def run(_: Starlette) -> AsyncIterator[None]:
        async with make() as stills:
            session = ReviewSession(stills, options)
            session.start()
            routes.session = session
            sessions.append(session)
            yield
            await session.close()

    lifespan: Callable[[Starlette], AbstractAsyncContextManager[None]] = run
    return Starlette(
        routes=routes.list(), lifespan=lifespan, exception_handlers={StillsError: answer_error}
    )
