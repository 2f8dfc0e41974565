"""`stills keys`: the API keys of `stills serve`."""

import argparse
import asyncio
import json
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from stills.app import Stills
from stills.config import read_rate_limit
from stills.contract.access import ApiKey
from stills.contract.errors import ConfigError, InvalidRequest
from stills.contract.money import format_usd
from stills.contract.rate_limit import RateLimit

_UNITS = (("s", 1.0), ("min", 60.0), ("h", 3600.0))


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    if options.command == "add":
        limit = _read_rate(options.rate)
        print(asyncio.run(_add(options.name, read_budget(options.budget), limit)))
        print("this key is shown only once; Stills stores just a hash", file=sys.stderr)
    elif options.command == "revoke":
        asyncio.run(_revoke(options.name))
        print(f"{options.name} is revoked")
    else:
        keys = asyncio.run(_list())
        if options.json:
            for key in keys:
                print(json.dumps(_facts(key)))
        else:
            print(table(keys))
    return 0


def _read_rate(written: str | None) -> RateLimit | None:
    try:
        return read_rate_limit(written, "--rate")
    except ConfigError as error:
        action = "Give a rate such as 10/min."  # a key's rate is never `auto` or `none`
        raise error.with_(action=action) from error


def read_budget(written: str | None) -> float | None:
    """Read a daily budget in USD, `5` or `5/day`; None stays None.

    Raises:
        InvalidRequest: it is neither.
    """
    if written is None:
        return None
    read = re.fullmatch(r"(\d{1,9}(?:\.\d{1,6})?)\s*(?:/\s*day)?", written.strip(), re.ASCII)
    if read is None:
        raise InvalidRequest(
            f"--budget is {written[:40]!r}",
            field="budget",
            action="Give US dollars per day, such as 5 or 0.50/day.",
        )
    return float(read[1])


def table(keys: Sequence[ApiKey]) -> str:
    """Format keys as a table."""
    if not keys:
        return "no keys"
    rows = [("name", "id", "budget", "rate", "created", "revoked")]
    rows += [
        (
            key.name,
            key.id,
            "none" if key.day_usd is None else f"{format_usd(key.day_usd)}/day",
            rate(key.per_second) or "none",
            _time(key.created_at) or "",
            _time(key.revoked_at) or "",
        )
        for key in keys
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def rate(per_second: float | None) -> str | None:
    """Format a rate as `--rate` reads it, in the first unit in which it is at least 1."""
    if per_second is None:
        return None
    unit, seconds = next((one for one in _UNITS if per_second * one[1] >= 1.0), _UNITS[-1])
    return f"{round(per_second * seconds, 6):.12g}/{unit}"


def _facts(key: ApiKey) -> dict[str, str | float | None]:
    return {
        "name": key.name,
        "id": key.id,
        "budget_usd_per_day": key.day_usd,
        "rate": rate(key.per_second),
        "created": _time(key.created_at),
        "revoked": _time(key.revoked_at),
    }


def _time(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


async def _add(name: str, day_usd: float | None, limit: RateLimit | None) -> str:
    async with Stills.from_catalog() as stills:
        return await stills.keys.add(name, day_usd=day_usd, limit=limit)


async def _list() -> Sequence[ApiKey]:
    async with Stills.from_catalog() as stills:
        return await stills.keys.list()


async def _revoke(name: str) -> None:
    async with Stills.from_catalog() as stills:
        await stills.keys.revoke(name)
