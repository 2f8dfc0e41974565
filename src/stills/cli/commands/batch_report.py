"""What a batch says in words: its problems, its plan, its ending."""

import sys
from collections.abc import Sequence

from stills.batch.contact_sheet.page import CONTACT_SHEET_NAME
from stills.batch.estimate import Estimate
from stills.batch.manifest import MANIFEST_NAME, read_manifest
from stills.batch.manifest_entry import Failure, ManifestEntry
from stills.batch.totals import RunTotals
from stills.cli.commands.batch_ending import Ending
from stills.cli.commands.batch_events import EventLines
from stills.cli.errors import MONEY, describe
from stills.cli.text import printable
from stills.contract.errors import Billing
from stills.contract.models import Model
from stills.contract.money import format_usd
from stills.shotlist.shots import Problem

_MINUTE, _HOUR = 60, 3600


def print_problems(problems: Sequence[Problem], *, skipped: bool) -> None:
    """List what can't be used, one a line, on standard error; `skipped` if the rest is drawn."""
    for problem in problems:
        field = f"{problem.field}: " if problem.field else ""
        text = f"{problem.source}: {field}{problem.message.rstrip('.')}. {problem.action}"
        print(printable(text), file=sys.stderr)
    number = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    end = "what has them is left out" if skipped else "nothing was sent"
    print(f"stills: {number}; {end}.", file=sys.stderr)


def describe_plan(plan: Estimate, model: Model) -> str:
    """Say what a run would do, in a line."""
    cost = "price unknown" if plan.cost_usd is None else f"about {format_usd(plan.cost_usd)}"
    time = "" if plan.seconds is None else f", {describe_seconds(plan.seconds)} at the rate limit"
    new = f"{plan.new} new with {model.id} ({cost}{time})" if plan.new else "none new"
    left = plan.rows - plan.new - plan.kept - plan.shared - plan.skipped
    others = f", {plan.shared} with the image of another" if plan.shared else ""
    others += f", {plan.skipped} in need of what can't be drawn" if plan.skipped else ""
    others += f", {left} left as they are" if left else ""
    return f"{_shots(plan.rows)}: {plan.kept} kept already, {new}{others}"


def describe_seconds(seconds: float) -> str:
    """Write a time as people say it, such as `40 s`, `12 min` or `3 h 5 min`."""
    if seconds < _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    hours, rest = divmod(seconds, _HOUR)
    return f"{hours:.0f} h {rest // _MINUTE:.0f} min"


def _describe_money(tally: RunTotals, price_usd: float | None) -> str:
    """Say what was billed, and what may be."""
    parts = [f"{format_usd(tally.usd)}{' of play money' if tally.play_money else ''}"]
    if tally.unpriced:
        parts.append(f"{tally.unpriced} of unknown price")
    if tally.possible:
        usd = "" if price_usd is None else f", at {format_usd(price_usd)} each"
        parts.append(f"{tally.possible} more possibly billed{usd}")
    return ", ".join(parts)


def print_ending(ending: Ending, events: EventLines | None) -> None:
    """Tell how a batch ended: failures with what to do, the sums, where everything lies."""
    manifest = ending.folder / MANIFEST_NAME
    if ending.tally.failed or ending.tally.pending:
        for entry in read_manifest(manifest):
            if entry.failure is not None:
                print(_describe_failure(entry, entry.failure), file=sys.stderr)
            elif entry.billing is not Billing.NONE:
                print(_describe_cut_off(entry), file=sys.stderr)
    if ending.stopped_because is not None:
        reason = printable(ending.stopped_because)
        print(f"stills: stopped early, because {reason}", file=sys.stderr)
    print(_describe_sums(ending), file=sys.stderr)
    if events is None:
        print(manifest)
    else:
        events.end(ending)


def _describe_failure(entry: ManifestEntry, failure: Failure) -> str:
    return printable(f"{entry.shot.source}: {entry.shot.id}: {describe(failure)}")


def _describe_cut_off(entry: ManifestEntry) -> str:
    cut_off = f"it was sent, and cut off before it was kept{MONEY[entry.billing]}"
    return printable(f"{entry.shot.source}: {entry.shot.id}: {cut_off}. Run again to have it.")


def _describe_sums(ending: Ending) -> str:
    tally = ending.tally
    counts = [f"{tally.made} new", f"{tally.from_catalog} from the catalog"]
    if tally.left:
        counts.append(f"{tally.left} left as they are")
    if tally.failed:
        unknown = f" ({tally.unknown} with an unknown outcome)" if tally.unknown else ""
        counts.append(f"{tally.failed} failed{unknown}")
    if tally.pending:
        counts.append(f"{tally.pending} not reached: run again for them")
    sheet = ending.folder / CONTACT_SHEET_NAME
    money = _describe_money(tally, ending.price_usd)
    return f"{', '.join(counts)}; billed {money}; see {sheet}"


def _shots(number: int) -> str:
    return "1 shot" if number == 1 else f"{number} shots"
