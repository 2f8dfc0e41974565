"""Log a browser in with an API key, and out again; ask for it where a page needs one."""

import asyncio
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import Scope

from stills.app import Stills
from stills.contract.access import SESSION_SECONDS
from stills.contract.errors import KeyRefused, RateLimited, StillsError
from stills.gallery.login_page import render_login
from stills.http.access_log import get_log_entry
from stills.http.auth import AccessControl
from stills.http.errors import describe, error_answer, status_of
from stills.http.page_answer import page_answer
from stills.http.paths import root_of

_WRONG_KEY_SECONDS = 1.0
_WRONG_KEYS_MAX = 20
"""How many wrong keys wait for their answer: one is given per second. A right key never waits."""


class LoginRoutes:
    """Answers the form of the login page, and logs out."""

    def __init__(self, stills: Stills, access: AccessControl) -> None:
        self._stills = stills
        self._access = access
        self._slow = asyncio.Lock()
        self._wrong = 0

    def list(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/login", self._show, methods=["GET"], include_in_schema=False),
            Route("/login", self._log_in, methods=["POST"], include_in_schema=False),
            Route("/logout", self._log_out, methods=["POST"], include_in_schema=False),
        ]

    async def _show(self, _: Request) -> Response:
        return _ask("/login", "/")

    async def _log_in(self, request: Request) -> Response:
        form = _read_form(request.state.body)
        key, target = (form.get(name, [""])[0].strip() for name in ("key", "next"))
        if not self._access.is_page(target.partition("?")[0]):
            target = "/"
        try:
            self._access.check_own_page(request.headers)
            if not await self._access.needs_key():
                return _go(target)
            secret = await self._check(key)
        except StillsError as error:
            get_log_entry(request).error = error.code
            # Advice for programs does not help here.
            reason = error.message if isinstance(error, KeyRefused) else describe(error)
            return _ask("/login", target, status=status_of(error), message=reason)
        answer = _go(target)
        answer.set_cookie(
            self._access.session_cookie(request.headers),
            secret,
            max_age=int(SESSION_SECONDS),
            secure=self._access.is_secure(request.headers),
            httponly=True,
            samesite="strict",
        )
        return answer

    async def _check(self, key: str) -> str:
        """Begin a session.

        Raises:
            KeyRefused: the key is wrong, which takes a while to say.
            RateLimited: too many wrong keys wait for their answer.
        """
        try:
            return await self._stills.keys.log_in(key)
        except KeyRefused:
            if self._wrong >= _WRONG_KEYS_MAX:
                raise RateLimited(
                    "too many wrong keys were given", retry_after_seconds=_WRONG_KEYS_MAX
                ) from None
            self._wrong += 1
            try:
                async with self._slow:
                    await asyncio.sleep(_WRONG_KEY_SECONDS)
            finally:
                self._wrong -= 1
            raise

    async def _log_out(self, request: Request) -> Response:
        secret = self._access.read_session(request.headers)
        try:
            self._access.check_own_page(request.headers)
            if secret is not None:
                await self._stills.keys.log_out(secret)
        except StillsError as error:
            get_log_entry(request).error = error.code
            return error_answer(error)
        answer = _go("/")
        answer.delete_cookie(
            self._access.session_cookie(request.headers),
            secure=self._access.is_secure(request.headers),
            httponly=True,
            samesite="strict",
        )
        return answer


def _read_form(body: bytes) -> dict[str, list[str]]:
    """Read the fields of a form; one with more than ours has is not ours, and reads as empty."""
    try:
        return parse_qs(body.decode("utf-8", "replace"), max_num_fields=10)
    except ValueError:
        return {}


def refuse(error: StillsError, scope: Scope, headers: Headers, access: AccessControl) -> Response:
    """Answer a request that may not be made: people are asked to log in, programs get the error."""
    path, query = scope["path"], scope["query_string"].decode("latin-1")
    is_browser = (
        scope["method"] in {"GET", "HEAD"}
        and access.is_page(path)
        and "text/html" in headers.get("accept", "")
        and "authorization" not in headers
    )
    if not (is_browser and isinstance(error, KeyRefused)):
        return error_answer(error)
    target = f"{path}?{query}" if query else path
    is_from_elsewhere = headers.get("sec-fetch-site") == "cross-site"
    return _ask(path, target, status=401, retries=is_from_elsewhere)


def _ask(
    path: str, target: str, *, status: int = 200, message: str | None = None, retries: bool = False
) -> Response:
    page = render_login(root_of(path), target, message=message, retries=retries)
    answer = page_answer(page, status)
    if status == 401:  # noqa: PLR2004 - HTTP's own number
        answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


def _go(target: str) -> Response:
    """Go to a path of ours, which may be below one of a proxy."""
    return RedirectResponse(f".{target}", status_code=303)
