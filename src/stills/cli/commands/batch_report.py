"""The report of a batch for people: problems, plan and result."""

import sys
from collections.abc import Iterator, Sequence

from stills.batch.estimate import Estimate
from stills.batch.image_files import CONTACT_SHEET_NAME
from stills.batch.manifest import MANIFEST_NAME, read_manifest
from stills.batch.manifest_entry import ManifestEntry
from stills.batch.totals import RunTotals
from stills.cli.commands.batch_ending import Ending
from stills.cli.commands.batch_events import EventLines
from stills.cli.errors import MONEY, describe
from stills.cli.text import printable
from stills.contract.errors import Billing
from stills.contract.models import Model
from stills.contract.money import format_amount, format_usd
from stills.contract.outcome import Failure
from stills.shotlist.shots import Problem

_MINUTE, _HOUR = 60, 3600
_PLACES_MAX = 5


def print_problems(problems: Sequence[Problem], *, skipped: bool) -> None:
    """Print problems on standard error; `skipped` if the run continues without the rows.

    Rows with the same problem share a line.
    """
    sources: dict[str, list[str]] = {}
    for problem in problems:
        field = f"{problem.field}: " if problem.field else ""
        text = f"{field}{problem.message.rstrip('.')}. {problem.action}"
        sources.setdefault(text, []).append(problem.source)
    for text, places in sources.items():
        print(printable(f"{_name_places(places)}: {text}"), file=sys.stderr)
    number = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    end = "affected rows were skipped" if skipped else "nothing was sent"
    print(f"stills: {number}; {end}.", file=sys.stderr)


def _name_places(sources: Sequence[str]) -> str:
    """Name several rows, such as `shots.csv:2, 6, 7 and 9 more`."""
    first, *others = sources
    file = f"{first.rpartition(':')[0]}:"
    named = [one.removeprefix(file) for one in others[: _PLACES_MAX - 1]]
    more = f" and {len(sources) - _PLACES_MAX} more" if len(sources) > _PLACES_MAX else ""
    return f"{', '.join([first, *named])}{more}"


def describe_estimate(estimate: Estimate, model: Model) -> str:
    """Describe what a run would do, in one line."""
    cost = (
        f"{estimate.unpriced} of unknown price"
        if estimate.cost_usd is None
        else f"about {format_usd(estimate.cost_usd)}"
    )
    time = (
        ""
        if estimate.seconds is None
        else f", {describe_seconds(estimate.seconds)} at the rate limit"
    )
    new = (
        f"{estimate.new} new with {model.id} ({cost}{time})"
        if estimate.new
        else "nothing to generate"
    )
    left = estimate.rows - estimate.new - estimate.kept - estimate.shared - estimate.skipped
    others = f", {estimate.shared} sharing the image of another" if estimate.shared else ""
    others += (
        f", {estimate.skipped} skipped (they depend on invalid rows)" if estimate.skipped else ""
    )
    others += f", {left} done earlier" if left else ""
    shots = _count(estimate.rows - estimate.takes - estimate.portraits, "shot")
    if estimate.portraits:
        shots += f" and {_count(estimate.portraits, 'portrait')}"
    images = f", {estimate.rows} images" if estimate.takes else ""
    if estimate.takes == estimate.rows:  # of a review
        shots, images = _count(estimate.rows, "image"), ""
    return f"{shots}{images}: {estimate.kept} stored already, {new}{others}"


def describe_planned(estimate: Estimate) -> Iterator[str]:
    """Describe each image that a run would generate: its shot, the reason and the price."""
    for shot in estimate.planned:
        price = "unknown price" if shot.cost_usd is None else format_usd(shot.cost_usd)
        yield printable(f"  {shot.id}: {shot.reason}, {price}")


def describe_seconds(seconds: float) -> str:
    """Format a time, such as `40 s`, `12 min` or `3 h 5 min`."""
    if seconds < _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    hours, rest = divmod(seconds, _HOUR)
    return f"{hours:.0f} h {rest // _MINUTE:.0f} min"


def _describe_money(totals: RunTotals) -> str:
    """Describe what was billed and possibly billed."""
    billed = format_amount(totals.usd, totals.unpriced)
    parts = [f"{billed}{' (simulated)' if totals.simulated else ''}"]
    if totals.possible:
        possible = format_amount(totals.possible_usd, totals.possible_unpriced)
        parts.append(f"{totals.possible} more possibly billed ({possible})")
    return ", ".join(parts)


def print_ending(ending: Ending, events: EventLines | None) -> None:
    """Print failures with what to do, the totals, and where the results are."""
    manifest = ending.folder / MANIFEST_NAME
    if ending.totals.failed or ending.totals.pending:
        for entry in read_manifest(manifest):
            if entry.failure is not None:
                print(_describe_failure(entry, entry.failure), file=sys.stderr)
            elif entry.billing is not Billing.NONE:
                print(_describe_cut_off(entry), file=sys.stderr)
    if ending.stopped_because is not None:
        reason = printable(ending.stopped_because)
        print(f"stills: stopped early, because {reason}", file=sys.stderr)
    if ending.history is not None:
        kept = printable(str(ending.history))
        print(
            f"note: the manifest and the images before this run are kept in {kept}", file=sys.stderr
        )
    print(_describe_sums(ending), file=sys.stderr)
    if events is None:
        print(manifest)
    else:
        events.end(ending)


def _describe_failure(entry: ManifestEntry, failure: Failure) -> str:
    return printable(f"{entry.shot.source}: {entry.shot.id}: {describe(failure)}")


def _describe_cut_off(entry: ManifestEntry) -> str:
    cut_off = f"interrupted before the image was stored{MONEY[entry.billing]}"
    return printable(f"{entry.shot.source}: {entry.shot.id}: {cut_off}. Run again to generate it.")


def _describe_sums(ending: Ending) -> str:
    totals = ending.totals
    counts = [f"{totals.made} new", f"{totals.from_catalog} from the catalog"]
    if totals.left:
        counts.append(f"{totals.left} done earlier")
    if totals.failed:
        unknown = f" ({totals.unknown} with an unknown outcome)" if totals.unknown else ""
        counts.append(f"{totals.failed} failed{unknown}")
    if totals.pending:
        counts.append(f"{totals.pending} not started: run again")
    sheet = ending.folder / CONTACT_SHEET_NAME
    money = _describe_money(totals)
    return f"{', '.join(counts)}; billed {money}; see {sheet}"


def _count(number: int, thing: str) -> str:
    return f"1 {thing}" if number == 1 else f"{number} {thing}s"
