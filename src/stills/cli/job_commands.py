"""The commands for durable jobs: workers, and the jobs that they work on."""

import argparse
from typing import TYPE_CHECKING

from stills.cli.options import add_free_port, add_json, add_limit, add_sandbox_option
from stills.cli.parser import add_command

if TYPE_CHECKING:
    from stills.cli.parser import Commands


def add_worker(commands: "Commands") -> None:
    """Add `worker`."""
    command = add_command(
        commands, "worker", "worker", "Generate the shots of durable jobs until Ctrl-C or SIGTERM."
    )
    command.add_argument(
        "--concurrency", type=int, metavar="N",
        help="API calls at once (default: STILLS_CONCURRENCY, else 8)",
    )  # fmt: skip
    command.add_argument(
        "--host", default="127.0.0.1",
        help="address of /healthz, /readyz and /metrics (default: 127.0.0.1)",
    )  # fmt: skip
    add_free_port(command)
    add_sandbox_option(command, "take jobs that were submitted with --sandbox")


def add_jobs(commands: "Commands") -> None:
    """Add `jobs`."""
    summary = "List, show, wait for, cancel and retry durable jobs."
    jobs = commands.add_parser("jobs", help=summary, description=summary, allow_abbrev=False)
    actions = jobs.add_subparsers(title="commands", metavar="COMMAND", required=True)
    listing = add_command(actions, "list", "jobs", "List jobs, newest first.")
    listing.set_defaults(command="list")
    add_limit(listing, "jobs")
    add_json(listing)
    show = add_command(actions, "show", "jobs", "Show a job's progress and cost.")
    show.set_defaults(command="show")
    _add_job(show)
    add_json(show, "print JSON")
    wait = add_command(
        actions, "wait", "jobs_wait",
        "Wait for the end of a job, then write its images, manifest and contact sheet.",
    )  # fmt: skip
    _add_job(wait)
    wait.add_argument(
        "-o", "--output", metavar="DIR", help="output folder (default: that of the batch)"
    )
    webhooks = add_command(actions, "webhooks", "jobs", "List webhooks, newest first.")
    webhooks.set_defaults(command="webhooks")
    webhooks.add_argument(
        "--failed", action="store_true", help="only those that were tried, but not delivered"
    )
    add_limit(webhooks, "webhooks")
    add_json(webhooks)
    cancel = add_command(
        actions, "cancel", "jobs", "Start no more shots of a job; calls already sent are finished."
    )
    cancel.set_defaults(command="cancel")
    _add_job(cancel)
    retry = add_command(
        actions, "retry", "jobs",
        "Generate the shots of a job that have no image; a call whose outcome is unknown may be "
        "billed twice.",
    )  # fmt: skip
    retry.set_defaults(command="retry")
    _add_job(retry)


def _add_job(command: argparse.ArgumentParser) -> None:
    command.add_argument("job", metavar="JOB", help="id of the job")
