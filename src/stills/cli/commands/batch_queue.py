"""`stills batch --queue`: submit a checked list as a durable job."""

import argparse
from pathlib import Path

from stills.app import Stills
from stills.batch.run_plan import RunPlan
from stills.batch.submission import queued_shots
from stills.contract.errors import InvalidRequest
from stills.contract.jobs import Job

_LOCAL = {
    "fresh": "the shots of a job are never generated twice",
    "retry_failed": "`stills jobs retry` generates the failed shots of a job",
    "from_review": "a review's takes are generated at once",
    "events": "`stills jobs show --json` shows a job's progress",
    "rate": "the workers keep the limit: start them with STILLS_RATE_LIMIT",
    "resend_unknown": "the workers decide: start them with STILLS_RESEND_UNKNOWN",
}
"""The options that a job can't have, and why."""


def check_queue_options(options: argparse.Namespace) -> None:
    """Refuse options that don't go together with --queue.

    Raises:
        InvalidRequest: there is one.
    """
    if not options.queue:
        if options.job_name is not None:
            raise InvalidRequest(
                "--job-name is for jobs", field="job_name", action="Add --queue, or leave it out."
            )
        return
    for name, reason in _LOCAL.items():
        if getattr(options, name) not in (None, False, []):
            option = f"--{name.replace('_', '-')}"
            raise InvalidRequest(
                f"{option} can't be combined with --queue: {reason}",
                field=name,
                action=f"Leave out {option}, or --queue.",
            )


async def submit(options: argparse.Namespace, stills: Stills, plan: RunPlan, folder: Path) -> Job:
    """Submit a plan.

    Raises:
        Conflict: there is another job of this name.
        InvalidReference: the file of a reference can't be read.
        JobsError: jobs can't be used.
    """
    return await stills.jobs.submit(
        queued_shots(plan),
        model=plan.options.model.id,
        name=options.job_name,
        max_cost_usd=plan.options.max_cost_usd,
        about={"title": plan.title, "folder": str(folder)},
    )
