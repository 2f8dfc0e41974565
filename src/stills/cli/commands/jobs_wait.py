"""`stills jobs wait`: the progress of a job, then its folder as a batch writes it."""

import argparse
import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

from stills.app import Stills
from stills.batch.estimate import Estimate
from stills.batch.image_files import ImageNames
from stills.batch.output import RunOutput
from stills.batch.submission import read_entry, read_position
from stills.batch.totals import RunTotals
from stills.cli.commands.batch_ending import Ending
from stills.cli.commands.batch_progress import showing_progress
from stills.cli.commands.batch_report import print_ending
from stills.cli.errors import SOME_FAILED
from stills.contract.errors import StillsError
from stills.contract.jobs import Job, JobResult
from stills.contract.outcome import Failure
from stills.contract.providers import is_paid
from stills.review.record import end_run

_POLL_SECONDS = 0.5
_PAGE = 256
_GOES_ON = "interrupted; the job continues. Run it again to wait for its end."


def run(options: argparse.Namespace) -> int:
    """Run the command; the exit code is 1 if some shots have no image."""
    try:
        return asyncio.run(_wait(options))
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_GOES_ON) from None


async def _wait(options: argparse.Namespace) -> int:
    async with Stills.from_catalog() as stills:
        job = await stills.jobs.get(options.job)
        folder = _find_folder(options, job)
        names = ImageNames([one.shot.id async for one in _each_result(stills, job)])
        output = RunOutput(folder, names, lambda *_: None)  # checked before the wait
        try:
            job = await _follow(stills, job)
            await _write_results(stills, job, output)
        except BaseException:
            output.abandon()  # an interrupted wait leaves the board that is there
            raise
        await asyncio.to_thread(output.close)
        title = str(job.spec.about.get("title") or job.spec.name or job.id)
        await asyncio.to_thread(end_run, folder, title)
    stopped = None if job.error is None else job.error.message
    ending = Ending(folder, output.totals, stopped, 0, output.history.kept)
    print_ending(ending, None)
    return SOME_FAILED if ending.totals.failed or ending.totals.pending else 0


def _find_folder(options: argparse.Namespace, job: Job) -> Path:
    if options.output:
        return Path(options.output)
    return Path(str(job.spec.about.get("folder") or f"{job.id}-stills"))


async def _follow(stills: Stills, job: Job) -> Job:
    """Show progress until the job ends, and return it."""
    totals = _totals(job)
    estimate = Estimate(
        rows=job.counts.total, new=job.counts.total, kept=0, cost_usd=None, seconds=None
    )
    async with showing_progress(estimate, lambda: totals, quota=None, quiet=False):
        while job.state.is_active:
            await asyncio.sleep(_POLL_SECONDS)
            job = await stills.jobs.get(job.id)
            totals = _totals(job)
    return job


def _totals(job: Job) -> RunTotals:
    counts, spend = job.counts, job.spend
    totals = RunTotals(
        made=counts.done - counts.cached,
        from_catalog=counts.cached,
        failed=counts.failed,
        unknown=counts.unknown,
        pending=counts.left,
        simulated=not is_paid(job.spec.provider),
    )
    if spend is None:
        return totals
    return replace(
        totals,
        usd=spend.billed_usd,
        unpriced=spend.unpriced,
        possible=spend.possible,
        possible_usd=spend.possible_usd,
        possible_unpriced=spend.possible_unpriced,
    )


async def _write_results(stills: Stills, job: Job, output: RunOutput) -> None:
    unwritten = 0
    async for page in _pages(stills, job):
        made = [one for one in page if one.result is not None]
        pairs = [(one.shot.id, one.result) for one in made if one.result is not None]
        written = await output.write_images(stills, pairs)
        files = {one.position: file for one, file in zip(made, written, strict=True)}
        for one in page:
            file = files.get(one.position)
            if isinstance(file, StillsError):
                unwritten += 1
                failed = replace(one, failure=Failure.of(file))
                output.keep(read_position(one), read_entry(failed))
            else:
                output.keep(read_position(one), read_entry(one, file))
    totals = _totals(job)
    output.totals = replace(
        totals, failed=totals.failed + unwritten, made=max(0, totals.made - unwritten)
    )


async def _each_result(stills: Stills, job: Job) -> AsyncIterator[JobResult]:
    async for page in _pages(stills, job):
        for one in page:
            yield one


async def _pages(stills: Stills, job: Job) -> AsyncIterator[Sequence[JobResult]]:
    after = -1
    while page := await stills.jobs.results(job.id, after=after, limit=_PAGE):
        yield page
        after = page[-1].position
