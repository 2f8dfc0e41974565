"""API keys of our own service: create, check and revoke them, and log browsers in."""

import hashlib
import hmac
import math
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence

from stills.contract.access import SESSION_SECONDS, ApiKey, BudgetOwner
from stills.contract.errors import Conflict, InvalidRequest, KeyRefused, NotFound, RateLimited
from stills.contract.money import USD_MAX
from stills.contract.ports.api_keys import ApiKeys
from stills.contract.ports.sessions import Sessions
from stills.contract.rate_limit import NO_LIMIT, RateLimit

MEMORY_SECONDS = 1.0
"""How long a process caches a key; a revoked one is rejected after that."""

MEMORY_KEYS_MAX = 10_000
_KEY = re.compile(r"stills_([0-9a-f]{12})_([A-Za-z0-9_-]{43})", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)


class Access:
    """Identifies callers by their API keys, and browsers by the sessions that these began.

    `open_sessions` returns the sessions, which only a service with pages needs.
    """

    def __init__(self, api_keys: ApiKeys, open_sessions: Callable[[], Sessions]) -> None:
        self._api_keys = api_keys
        self._open_sessions = open_sessions
        self._cache: dict[str, tuple[float, ApiKey | None]] = {}

    async def add(
        self, name: str, *, day_usd: float | None = None, limit: RateLimit | None = None
    ) -> str:
        """Create a key and return it. Only its hash is stored, so it can't be returned again.

        `day_usd` caps what it may spend on a UTC day, and `limit` its requests; without them, only
        the limits for all keys apply.

        Raises:
            InvalidRequest: the name, the budget or the limit is invalid.
            Conflict: the name is in use.
        """
        if _NAME.fullmatch(name) is None:
            raise InvalidRequest(
                f"invalid key name {name[:64]!r}",
                field="name",
                action="Use up to 64 letters, digits, dots, dashes and underscores.",
            )
        _check_limits(day_usd, limit or NO_LIMIT)
        per_second = limit.per_second if limit else None
        key_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
        key = ApiKey(key_id, name, _digest(secret), day_usd, per_second, time.time())
        if not await self._api_keys.add(key):
            raise Conflict(
                f"a key named {name} is in use",
                field="name",
                action=f"Choose another name, or `stills keys revoke {name}` first.",
            )
        return f"stills_{key_id}_{secret}"

    async def add_first(self, name: str) -> str | None:
        """Create a key if none was ever created, and return it; otherwise return None."""
        if await self.exist():
            return None
        try:
            return await self.add(name)
        except Conflict:  # another process has just created it
            return None

    async def admit(self, presented: str) -> BudgetOwner:
        """Return the budget owner of a key that a caller presents.

        Raises:
            KeyRefused: there is no such key, or it is revoked.
            RateLimited: the key has exceeded its rate limit.
        """
        key = await self._check(presented)
        early_seconds = await self._api_keys.take_slot(key)
        if early_seconds > 0.0:
            raise RateLimited(
                f"key {key.name} exceeded its rate limit", retry_after_seconds=early_seconds
            )
        return BudgetOwner(key.name, key.day_usd)

    async def log_in(self, presented: str) -> str:
        """Begin a session with a key, and return its secret, of which only the hash is stored.

        Raises:
            KeyRefused: there is no such key, or it is revoked.
        """
        key = await self._check(presented)
        secret = secrets.token_urlsafe(32)
        await self._open_sessions().begin(_digest(secret), key, seconds=SESSION_SECONDS)
        return secret

    async def admit_session(self, secret: str) -> BudgetOwner:
        """Return the budget owner of a session's key. Its rate does not limit a browser.

        Raises:
            KeyRefused: there is no such session, it is over, or its key is revoked.
        """
        digest = _digest(secret)
        key = await self._find(digest, self._open_sessions().find_key)
        if key is None or key.revoked_at is not None:
            raise KeyRefused("the session has expired")
        return BudgetOwner(key.name, key.day_usd)

    async def log_out(self, secret: str) -> None:
        """End a session."""
        digest = _digest(secret)
        self._cache.pop(digest, None)
        await self._open_sessions().end(digest)

    async def list(self) -> Sequence[ApiKey]:
        """List all keys, including revoked ones, oldest first."""
        return await self._api_keys.list()

    async def exist(self) -> bool:
        """Return whether a key was ever created: if so, every caller needs one."""
        return bool(await self._api_keys.list())

    async def revoke(self, name: str) -> None:
        """Revoke a key.

        Raises:
            NotFound: there is no active key of this name.
        """
        if not await self._api_keys.revoke(name, now=time.time()):
            raise NotFound(
                f"no key named {name[:64]!r} is in use",
                field="name",
                action="`stills keys list` shows the names.",
            )
        self._cache.clear()

    async def _check(self, presented: str) -> ApiKey:
        """Return the key that a caller presents.

        Raises:
            KeyRefused: there is no such key, or it is revoked.
        """
        parts = _KEY.fullmatch(presented)
        key = await self._find(parts[1], self._api_keys.find) if parts else None
        known = key.digest if key else _digest("")
        # In constant time, even for a key that does not exist.
        is_right = hmac.compare_digest(known, _digest(parts[2] if parts else "-"))
        if key is None or not is_right or key.revoked_at is not None:
            raise KeyRefused
        return key

    async def _find(
        self, name: str, find: Callable[[str], Awaitable[ApiKey | None]]
    ) -> ApiKey | None:
        """Find the key of an id, or of a session's digest, which has another length."""
        now = time.monotonic()
        cached = self._cache.get(name)
        if cached is not None and now - cached[0] < MEMORY_SECONDS:
            return cached[1]
        key = await find(name)
        if len(self._cache) >= MEMORY_KEYS_MAX:  # guessed keys must not fill the memory
            self._cache.clear()
        self._cache[name] = (now, key)
        return key


def _check_limits(day_usd: float | None, limit: RateLimit) -> None:
    if day_usd is not None and not 0.0 <= day_usd <= USD_MAX:
        raise InvalidRequest(
            f"invalid budget: {day_usd} USD",
            field="day_usd",
            action="Give a number of US dollars per day, such as 5.",
        )
    is_invalid = limit.per_second is not None and not 0.0 < limit.per_second < math.inf
    if limit.learn or is_invalid:
        raise InvalidRequest(
            "invalid rate limit for a key",
            field="limit",
            action="Give one such as 10/min.",
        )


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
