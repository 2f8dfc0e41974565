"""`stills batch`: a shot list in; images, a manifest and a contact sheet out."""

import argparse
import asyncio
import sys
from pathlib import Path

from stills.app import Stills
from stills.batch.estimate import Estimate, check_cost, make_estimate
from stills.batch.manifest import read_done, read_earlier
from stills.batch.moved_rows import keep_seeds
from stills.batch.output import RunOutput
from stills.batch.preflight import Batch, BatchOptions, check
from stills.batch.references import OnUnsupported
from stills.batch.run import Run
from stills.cli.commands.batch_ending import Ending
from stills.cli.commands.batch_events import EventLines
from stills.cli.commands.batch_progress import showing_progress
from stills.cli.commands.batch_report import (
    describe_estimate,
    describe_planned,
    print_ending,
    print_problems,
)
from stills.cli.commands.question import ask
from stills.cli.errors import INTERRUPTED, SOME_FAILED, report
from stills.cli.interrupts import Interrupts
from stills.cli.text import printable
from stills.config import read_rate_limit
from stills.contract.money import check_max_cost
from stills.contract.size import normalize_size
from stills.contract.takes import check_takes
from stills.shotlist.durations import check_frame_rate
from stills.shotlist.options import ListOptions, parse_column_names
from stills.shotlist.reader import ShotList, read_shots
from stills.shotlist.shots import Defaults

_BAD_REQUEST = 2


def run(options: argparse.Namespace) -> int:
    """Run the command; the exit code is 1 if some shots failed, 2 if some are invalid."""
    return asyncio.run(_batch(options))


async def _batch(options: argparse.Namespace) -> int:
    rate_limit = read_rate_limit(options.rate, "--rate")
    made = Stills.from_env(
        sandbox=options.sandbox, rate_limit=rate_limit, resend_unknown=options.resend_unknown
    )
    async with made as stills:
        shot_list = await asyncio.to_thread(_open, options)
        folder = Path(options.output) if options.output else shot_list.default_folder
        batch_options = _batch_options(options, stills, folder)
        earlier = await asyncio.to_thread(read_earlier, folder, stills.provider)
        await asyncio.to_thread(keep_seeds, shot_list, earlier, batch_options)
        batch = await asyncio.to_thread(check, shot_list, batch_options)
        estimate, batch = await make_estimate(stills, batch, folder)
        if batch.problems:
            print_problems(batch.problems, skipped=options.skip_invalid)
            if not options.skip_invalid:
                return _BAD_REQUEST
        stop = asyncio.Event()
        events = EventLines(sys.stdout, stop) if options.events else None
        _announce(options, batch, estimate, events)
        check_cost(estimate, batch.options)
        if options.dry_run:
            return 0
        if estimate.new and not options.yes and not ask("Continue?", piped=options.shots == "-"):
            return INTERRUPTED
        ending = await _generate(stills, batch, estimate, folder, events=events, stop=stop)
    print_ending(ending, events)
    if events is not None and events.refused is not None and not ending.interrupts:
        return report(events.refused, sys.stderr)
    return _exit_code(ending)


def _open(options: argparse.Namespace) -> ShotList:
    if options.size is not None:
        normalize_size(options.size)  # reported once instead of with every row
    if options.takes is not None:
        check_takes(options.takes)
    defaults = Defaults(
        size=options.size,
        aspect_ratio=options.aspect_ratio,
        style=options.style,
        negative_prompt=options.negative_prompt,
        seed=options.seed,
        takes=options.takes,
    )
    reading = ListOptions(
        sheet=options.sheet,
        ignored_columns=parse_column_names(options.ignore_columns),
        weave=options.weave,
        frame_rate=check_frame_rate(options.frame_rate),
        cast_file=Path(options.cast) if options.cast else None,
    )
    return read_shots(options.shots, defaults, encoding=options.encoding, options=reading)


def _batch_options(options: argparse.Namespace, stills: Stills, folder: Path) -> BatchOptions:
    check_max_cost(options.max_cost)
    previous = None
    if options.retry_failed:
        previous = read_done(folder, stills.provider)
    choice = options.on_unsupported_reference
    return BatchOptions(
        model=stills.model(options.model),
        on_unsupported=None if choice is None else OnUnsupported(choice),
        fresh=frozenset(options.fresh),
        previous=previous,
        max_cost_usd=options.max_cost,
    )


def _announce(
    options: argparse.Namespace, batch: Batch, estimate: Estimate, events: EventLines | None
) -> None:
    """Print the notes, and the plan if it was asked for or standard error is a terminal."""
    for note in batch.notes:
        print(printable(f"note: {note}"), file=sys.stderr)
    model, is_shown = batch.options.model, options.dry_run or sys.stderr.isatty()
    if model.retirement and estimate.new and is_shown:
        print(f"note: {model.id} {model.retirement}. Choose another with --model.", file=sys.stderr)
    if events is not None:
        events.plan(estimate, batch.notes)
    elif options.dry_run:
        print(describe_estimate(estimate, batch.options.model))
        for line in describe_planned(estimate):
            print(line)
    if sys.stderr.isatty() and not options.dry_run:
        print(describe_estimate(estimate, batch.options.model), file=sys.stderr)


async def _generate(
    stills: Stills,
    batch: Batch,
    estimate: Estimate,
    folder: Path,
    *,
    events: EventLines | None,
    stop: asyncio.Event,
) -> Ending:
    on_outcome = events.shot if events is not None else lambda *_: None
    output = RunOutput(folder, batch.names, on_outcome)
    run = Run(stills, batch, output, stop)
    # After a stop, the run itself drops the shots that were not sent.
    with Interrupts(stop, is_sent=lambda: True) as interrupts:
        try:
            async with showing_progress(stills, batch, estimate, output, quiet=events is not None):
                try:
                    await interrupts.run(run.generate)
                finally:
                    run.add_pending()
        finally:
            await stills.close()  # waits for API calls in flight, so that their cost is known
            await asyncio.to_thread(output.close, batch.title)
    return Ending(
        folder, output.totals, run.early_stop.reason, interrupts.count, output.history.kept
    )


def _exit_code(ending: Ending) -> int:
    if ending.interrupts > 1 or (ending.interrupts and ending.totals.pending):
        return INTERRUPTED
    return SOME_FAILED if ending.totals.failed or ending.totals.pending else 0
