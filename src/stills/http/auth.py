"""Access control: API keys, sessions of browsers, and, without keys, only this machine."""

import time
from collections.abc import Sequence
from functools import lru_cache
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request, cookie_parser

from stills.app import Stills
from stills.contract.access import BudgetOwner
from stills.contract.addresses import is_this_machine
from stills.contract.errors import KeyRefused
from stills.http.image_files import Header
from stills.http.paths import LOGIN_PATHS, PROBES, is_gallery_path, is_review_path
from stills.http.settings import Settings

_NO_KEY_PATHS = (*PROBES, "/openapi.json", "/docs", *LOGIN_PATHS)
_READ_METHODS = ("GET", "HEAD")
_COOKIE = "stills_session"
_AZURE_HEADER = "api-key"  # of clients that are set up for Azure OpenAI
_FORWARDED = frozenset(
    (b"forwarded", b"via", b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip")
)


class AccessControl:
    """Decides which requests may use the service; remembers briefly whether any key exists."""

    def __init__(self, stills: Stills, settings: Settings) -> None:
        self._stills = stills
        self._settings = settings
        self._pages = frozenset(origin.encode() for origin in settings.cors_origins)
        self._keys_exist = False
        self._checked_at = float("-inf")

    async def authenticate(self, method: str, path: str, headers: Headers) -> BudgetOwner | None:
        """Return the owner of the request's key, or None where no key is required.

        Pages accept the session of a browser instead of a key; other routes never do.

        Raises:
            KeyRefused: the key is missing or invalid, or the session has expired.
            StillsError: the key is over its rate, or the catalog can't be read.
        """
        if (
            path in _NO_KEY_PATHS
            or path.startswith(("/docs/", "/images/"))
            or not await self.needs_key()
        ):
            return None
        scheme, _, key = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key:
            key = headers.get(_AZURE_HEADER, "")
        if key:
            return await self._stills.keys.admit(key.strip())
        secret = self.read_session(headers) if self.is_page(path) else None
        if secret is None:
            raise KeyRefused("the request has no API key")
        if method not in _READ_METHODS:
            self.check_own_page(headers)
        return await self._stills.keys.admit_session(secret)

    def is_page(self, path: str) -> bool:
        """Return whether a path belongs to the gallery or a review, and these are served."""
        if is_review_path(path):
            return bool(self._settings.reviews)
        return self._settings.gallery and is_gallery_path(path)

    async def needs_key(self) -> bool:
        """Return whether callers need a key.

        Raises:
            StillsError: the catalog can't be read.
        """
        if self._settings.anyone:
            return False
        return self._settings.keys_required or await self._have_keys()

    def read_session(self, headers: Headers) -> str | None:
        """Return the secret of a browser's session, None without one."""
        cookies = cookie_parser(headers.get("cookie", ""))
        return cookies.get(self.session_cookie(headers))

    def session_cookie(self, headers: Headers) -> str:
        """Return the name of the cookie; with TLS, one that no other host can set."""
        return f"__Host-{_COOKIE}" if self.is_secure(headers) else _COOKIE

    def is_secure(self, headers: Headers) -> bool:
        """Return whether the browser uses TLS, which ends in a proxy."""
        by_proxy = headers.get("x-forwarded-proto", "").partition(",")[0].strip().lower()
        return by_proxy == "https" or (self._settings.public_url or "").startswith("https://")

    def check_own_page(self, headers: Headers) -> None:
        """Check that a page of ours sends this request, not one that a browser also has open.

        Raises:
            KeyRefused: it does not, or nothing says so.
        """
        site = headers.get("sec-fetch-site")
        if site is not None:
            is_own = site in {"same-origin", "none"}
        else:  # a browser without TLS to another machine
            origin = headers.get("origin", "").partition("://")[2]
            public = urlsplit(self._settings.public_url or "").netloc
            is_own = bool(origin) and origin in {headers.get("host"), public}
        if not is_own:
            raise KeyRefused("requests from other web pages are not allowed")

    async def allows_origin(self, headers: Sequence[Header]) -> bool:
        """Return whether a request may come from where it comes from.

        Without keys, a proxied request or one of another web page is refused.

        Raises:
            StillsError: the catalog can't be read.
        """
        if self._settings.anyone or self._settings.keys_required:
            return True
        return self._is_local_call(headers) or await self._have_keys()

    async def _have_keys(self) -> bool:
        now = time.monotonic()
        if now - self._checked_at > self._settings.key_check_seconds:
            self._keys_exist = await self._stills.keys.exist()
            self._checked_at = now
        return self._keys_exist

    def _is_local_call(self, headers: Sequence[Header]) -> bool:
        """Return whether a program on this machine, or a page that may, sends this request.

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


def get_budget_owner(request: Request) -> BudgetOwner | None:
    """Return the owner of a request's key, None without keys."""
    payer: BudgetOwner | None = request.state.payer
    return payer


@lru_cache(maxsize=64)  # called for every request, almost always with the same URL
def _is_local(url: bytes) -> bool:
    """Return whether a URL is on this machine."""
    try:
        return is_this_machine(urlsplit(url.decode("latin-1")).hostname or "")
    except ValueError:
        return False
