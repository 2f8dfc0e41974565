"""`stills spend`: amounts billed, possibly billed, and saved by the catalog."""

import argparse
import asyncio
import re
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime

from stills.app import Stills
from stills.cli.text import as_json, printable
from stills.contract.errors import InvalidRequest
from stills.contract.money import format_amount
from stills.contract.providers import is_paid
from stills.contract.spending import SpendBy, SpendLine

_DAY_SECONDS = 86_400


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    by = None if options.by is None else SpendBy(options.by)
    lines = asyncio.run(_spend(read_since(options.since), by))
    if options.json:
        for line in lines:
            print(as_json(asdict(line)))
    else:
        print(table(lines, by))
    return 0


def read_since(written: str | None, *, option: str = "--since") -> float:
    """Read a date, or a number of days before now, as Unix seconds; None means since 1970.

    Raises:
        InvalidRequest: it is neither.
    """
    if written is None:
        return 0.0
    if re.fullmatch(r"[0-9]{1,5}d", written):
        return time.time() - int(written[:-1]) * _DAY_SECONDS
    try:
        return datetime.strptime(written, "%Y-%m-%d").replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise InvalidRequest(
            f"{option} {written[:40]!r} is not a date",
            field=option.removeprefix("--").replace("-", "_"),
            action="Give a date such as 2026-11-22, or a number of days such as 7d.",
        ) from None


def table(lines: Sequence[SpendLine], by: SpendBy | None) -> str:
    """Format spending as a table."""
    if not lines:
        return "nothing was billed or saved"
    rows = [("provider", by.value if by else "", "billed", "possibly billed", "saved")]
    rows += [
        (
            printable(line.provider) + ("" if is_paid(line.provider) else " (simulated)"),
            printable(line.group)[:40] or ("(none)" if by else ""),
            _images(line.billed, line.billed_usd, line.billed_unpriced),
            _images(line.possible, line.possible_usd, line.possible_unpriced),
            _images(line.saved, line.saved_usd, line.saved_unpriced),
        )
        for line in lines
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    text = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True) if width)
        for row in rows
    ]
    return "\n".join(line.rstrip() for line in text)


def _images(number: int, usd: float, unpriced: int) -> str:
    return f"{number} = {format_amount(usd, unpriced)}"


async def _spend(since: float, by: SpendBy | None) -> Sequence[SpendLine]:
    async with Stills.from_catalog() as stills:
        return await stills.spend(since=since, by=by)
