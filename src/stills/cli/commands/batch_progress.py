"""The progress display of a batch on a terminal."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from stills.batch.estimate import Estimate
from stills.batch.totals import RunTotals
from stills.cli.commands.batch_report import describe_seconds
from stills.cli.screen import can_redraw
from stills.contract.money import format_amount
from stills.contract.rate_limit import Quota

_REFRESH_SECONDS = 0.25
_QUOTA_EVERY_SECONDS = 2.0
_ENOUGH_MADE = 3  # images, before their rate predicts more than the limit
_MINUTE = 60.0
_BAR_COLUMNS = 60


@asynccontextmanager
async def showing_progress(
    estimate: Estimate,
    totals: Callable[[], RunTotals],
    *,
    quota: Callable[[], Awaitable[Quota]] | None,
    quiet: bool,
) -> AsyncIterator[None]:
    """Show progress while the body runs, if standard error is a terminal and not `quiet`.

    `quota` returns the rate limit and its use, if they should be shown.
    """
    if quiet or not can_redraw():
        yield
        return
    showing = asyncio.create_task(_show(estimate, totals, quota or _unknown_quota))
    try:
        yield
    finally:
        showing.cancel()
        await asyncio.gather(showing, return_exceptions=True)


async def _unknown_quota() -> Quota:
    return Quota(None, None, 0)


async def _show(
    estimate: Estimate, totals: Callable[[], RunTotals], find_quota: Callable[[], Awaitable[Quota]]
) -> None:
    from rich.console import Console  # noqa: PLC0415 - only on a terminal
    from rich.live import Live  # noqa: PLC0415
    from rich.progress_bar import ProgressBar  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    begun = time.monotonic()
    quota = Quota(None, None, 0)
    quota_at = 0.0

    def display() -> Table:
        facts = describe_progress(totals(), estimate, quota, time.monotonic() - begun)
        bar = ProgressBar(total=estimate.rows, completed=totals().finished, width=_BAR_COLUMNS)
        lines = Table.grid()
        lines.add_row(bar)
        lines.add_row(Text(facts))
        return lines

    with Live(console=Console(stderr=True), get_renderable=display, auto_refresh=False) as live:
        while True:
            if time.monotonic() - quota_at > _QUOTA_EVERY_SECONDS:
                quota, quota_at = await find_quota(), time.monotonic()
            live.refresh()
            await asyncio.sleep(_REFRESH_SECONDS)


def describe_progress(
    totals: RunTotals, estimate: Estimate, quota: Quota, elapsed_seconds: float
) -> str:
    """Describe counts, rate, quota, cost and remaining time of a run."""
    facts = [f"{totals.done}/{estimate.rows} done"]
    if totals.from_catalog:
        facts.append(f"{totals.from_catalog} from catalog")
    if totals.failed:
        facts.append(f"{totals.failed} failed")
    per_second = totals.made / max(elapsed_seconds, 1.0)
    facts.append(f"{per_second * _MINUTE:.1f} images/min")
    if quota.limit_per_second is not None:
        limit = quota.limit_per_second * _MINUTE
        facts.append(f"quota {quota.sends_last_minute} of {limit:.0f}/min")
    facts.append(format_amount(totals.usd, totals.unpriced))
    left_seconds = _left_seconds(totals, estimate, quota, per_second)
    if left_seconds is not None:
        facts.append(f"{describe_seconds(left_seconds)} left")
    return " · ".join(facts)


def _left_seconds(
    totals: RunTotals, estimate: Estimate, quota: Quota, per_second: float
) -> float | None:
    left = min(estimate.rows - totals.finished, estimate.new)
    if totals.made >= _ENOUGH_MADE:
        return left / per_second
    return None if quota.per_second is None else left / quota.per_second
