"""`stills batch`: a shot list in; images, a manifest and a contact sheet out."""

import argparse
import asyncio
import sys
from functools import partial
from pathlib import Path

from stills.app import Stills
from stills.batch.estimate import Estimate, check_cost, make_estimate
from stills.batch.output import RunOutput
from stills.batch.run import Run
from stills.batch.run_plan import RunPlan
from stills.cli.commands.batch_ending import Ending
from stills.cli.commands.batch_events import EventLines
from stills.cli.commands.batch_plan import open_plan
from stills.cli.commands.batch_progress import showing_progress
from stills.cli.commands.batch_report import (
    describe_estimate,
    describe_planned,
    print_ending,
    print_problems,
)
from stills.cli.commands.question import ask
from stills.cli.errors import INTERRUPTED, NOTHING_SENT, SOME_FAILED, report
from stills.cli.interrupts import Interrupts
from stills.cli.text import printable
from stills.config import read_rate_limit
from stills.contract.retirement import show_retirement
from stills.review.record import end_run
from stills.review.retake_plan import RetakePlan, confirm_requests

_BAD_REQUEST = 2


def run(options: argparse.Namespace) -> int:
    """Run the command; the exit code is 1 if some shots failed, 2 if some are invalid."""
    return asyncio.run(_batch(options))


async def _batch(options: argparse.Namespace) -> int:
    if options.queue or options.job_name is not None:
        from stills.cli.commands.batch_queue import check_queue_options  # noqa: PLC0415

        check_queue_options(options)
    rate_limit = read_rate_limit(options.rate, "--rate")
    made = Stills.from_env(
        sandbox=options.sandbox, rate_limit=rate_limit, resend_unknown=options.resend_unknown
    )
    async with made as stills:
        folder, batch = await asyncio.to_thread(open_plan, options, stills)
        if options.queue and not _needs_estimate(options):
            refused = _is_refused(options, batch)
            return _BAD_REQUEST if refused else await _submit(options, stills, batch, folder)
        estimate, batch = await make_estimate(stills, batch, folder)
        if _is_refused(options, batch):
            return _BAD_REQUEST
        stop = asyncio.Event()
        events = EventLines(sys.stdout, stop) if options.events else None
        _announce(options, batch, estimate, events)
        check_cost(estimate, batch.options)
        asks = estimate.new and not options.yes and not options.dry_run
        if asks and not _is_confirmed(options):
            return INTERRUPTED
        if options.dry_run or options.queue:
            return 0 if options.dry_run else await _submit(options, stills, batch, folder)
        ending = await _generate(stills, batch, estimate, folder, events=events, stop=stop)
    print_ending(ending, events)
    if events is not None and events.refused is not None and not ending.interrupts:
        return report(events.refused, sys.stderr)
    return _exit_code(ending)


def _needs_estimate(options: argparse.Namespace) -> bool:
    """Return whether somebody looks at the estimate; it takes a while for a long list."""
    is_asked = sys.stderr.isatty() and not options.yes
    return is_asked or options.dry_run or options.max_cost is not None


def _is_confirmed(options: argparse.Namespace) -> bool:
    try:
        return ask("Continue?", piped=options.shots == "-")
    except KeyboardInterrupt:
        raise KeyboardInterrupt(NOTHING_SENT) from None


def _is_refused(options: argparse.Namespace, batch: RunPlan) -> bool:
    """Print the problems of a list; return whether nothing is generated because of them."""
    if batch.problems:
        print_problems(batch.problems, skipped=options.skip_invalid)
    return bool(batch.problems) and not options.skip_invalid


async def _submit(options: argparse.Namespace, stills: Stills, batch: RunPlan, folder: Path) -> int:
    """Submit the list as a job, and print its id."""
    from stills.cli.commands.batch_queue import submit  # noqa: PLC0415 - only jobs need it

    job = await submit(options, stills, batch, folder)
    print(job.id)
    return 0


def _announce(
    options: argparse.Namespace, batch: RunPlan, estimate: Estimate, events: EventLines | None
) -> None:
    """Print the notes, and the plan if it was asked for or standard error is a terminal."""
    for note in batch.notes:
        print(printable(f"note: {note}"), file=sys.stderr)
    if estimate.new and (options.dry_run or sys.stderr.isatty()):
        show_retirement(batch.options.model, lambda note: print(f"note: {note}", file=sys.stderr))
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
    batch: RunPlan,
    estimate: Estimate,
    folder: Path,
    *,
    events: EventLines | None,
    stop: asyncio.Event,
) -> Ending:
    on_outcome = events.shot if events is not None else lambda *_: None
    if isinstance(batch, RetakePlan):
        await asyncio.to_thread(confirm_requests, batch)
    output = RunOutput(folder, batch.names, on_outcome)
    run = Run(stills, batch, output, stop)
    # After a stop, the run itself drops the shots that were not sent.
    with Interrupts(stop, is_sent=lambda: True) as interrupts:
        try:
            async with showing_progress(
                estimate,
                lambda: output.totals,
                quota=partial(stills.quota, model=batch.options.model.id),
                quiet=events is not None,
            ):
                try:
                    await interrupts.run(run.generate)
                finally:
                    run.add_pending()
        finally:
            await stills.close()  # waits for API calls in flight, so that their cost is known
            await asyncio.to_thread(output.close)
            await asyncio.to_thread(end_run, folder, batch.title)
    return Ending(
        folder, output.totals, run.early_stop.reason, interrupts.count, output.history.kept
    )


def _exit_code(ending: Ending) -> int:
    if ending.interrupts > 1 or (ending.interrupts and ending.totals.pending):
        return INTERRUPTED
    return SOME_FAILED if ending.totals.failed or ending.totals.pending else 0
