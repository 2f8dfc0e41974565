"""API keys of our own service: create, check and revoke them."""

import hashlib
import hmac
import math
import re
import secrets
import time
from collections.abc import Sequence

from stills.contract.access import ApiKey, BudgetOwner
from stills.contract.errors import Conflict, InvalidRequest, KeyRefused, NotFound, RateLimited
from stills.contract.money import USD_MAX
from stills.contract.ports.api_keys import ApiKeys
from stills.contract.rate_limit import NO_LIMIT, RateLimit

MEMORY_SECONDS = 1.0
"""How long a process caches a key; a revoked one is rejected after that."""

MEMORY_KEYS_MAX = 10_000
_KEY = re.compile(r"stills_([0-9a-f]{12})_([A-Za-z0-9_-]{43})", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)


class Access:
    """Identifies callers by their API keys."""

    def __init__(self, api_keys: ApiKeys) -> None:
        self._api_keys = api_keys
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
        _check(day_usd, limit or NO_LIMIT)
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
        parts = _KEY.fullmatch(presented)
        key = await self._find(parts[1]) if parts else None
        known = key.digest if key else _digest("")
        # In constant time, even for a key that does not exist.
        is_right = hmac.compare_digest(known, _digest(parts[2] if parts else "-"))
        if key is None or not is_right or key.revoked_at is not None:
            raise KeyRefused
        early_seconds = await self._api_keys.take_slot(key)
        if early_seconds > 0.0:
            raise RateLimited(
                f"key {key.name} exceeded its rate limit", retry_after_seconds=early_seconds
            )
        return BudgetOwner(key.name, key.day_usd)

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

    async def _find(self, key_id: str) -> ApiKey | None:
        now = time.monotonic()
        cached = self._cache.get(key_id)
        if cached is not None and now - cached[0] < MEMORY_SECONDS:
            return cached[1]
        key = await self._api_keys.find(key_id)
        if len(self._cache) >= MEMORY_KEYS_MAX:  # guessed keys must not fill the memory
            self._cache.clear()
        self._cache[key_id] = (now, key)
        return key


def _check(day_usd: float | None, limit: RateLimit) -> None:
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
