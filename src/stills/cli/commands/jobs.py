"""`stills jobs list`, `show`, `webhooks`, `cancel` and `retry`."""

import argparse
import asyncio
import datetime as dt
import json

from stills.app import Stills
from stills.cli.text import printable
from stills.contract.jobs import Job, JobState
from stills.contract.money import format_amount, format_usd
from stills.contract.outcome import Failure
from stills.contract.webhooks import Webhook
from stills.service.job_records import job_record, webhook_record


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    return asyncio.run(_run(options))


async def _run(options: argparse.Namespace) -> int:
    async with Stills.from_catalog() as stills:
        if options.command == "list":
            for job in await stills.jobs.list(limit=options.limit):
                print(json.dumps(job_record(job)) if options.json else _describe(job))
            return 0
        if options.command == "webhooks":
            return await _list_webhooks(options, stills)
        change = {"show": stills.jobs.get, "cancel": stills.jobs.cancel, "retry": stills.jobs.retry}
        job = await change[options.command](options.job)
    if options.command == "show" and options.json:
        print(json.dumps(job_record(job), indent=2))
    else:
        print(_describe(job))
        if job.error is not None:
            print(describe_error(job.error))
    return 0


async def _list_webhooks(options: argparse.Namespace, stills: Stills) -> int:
    found = await stills.jobs.list_webhooks(only_failed=options.failed, limit=options.limit)
    for webhook in found:
        print(json.dumps(webhook_record(webhook)) if options.json else _describe_webhook(webhook))
    return 0


def _describe_webhook(webhook: Webhook) -> str:
    if webhook.delivered_at is not None:
        state = f"delivered {_minute(webhook.delivered_at)}"
    elif webhook.gave_up_at is not None:
        state = f"given up {_minute(webhook.gave_up_at)}"
    else:
        state = f"next attempt {_minute(webhook.next_at)}" if webhook.attempts else "waiting"
    problem = f": {webhook.problem}" if webhook.problem else ""
    return printable(f"{webhook.id}  {state} after {webhook.attempts} attempts{problem}")


def describe_error(error: Failure) -> str:
    """Return why a job failed, and what to do."""
    return printable(f"  {error.message.rstrip('.')}. {error.action}")


def _describe(job: Job) -> str:
    counts, spec = job.counts, job.spec
    facts = [f"{counts.done}/{counts.total} done"]
    if counts.cached:
        facts.append(f"{counts.cached} from the catalog")
    if counts.failed:
        facts.append(f"{counts.failed} failed{_describe_failed(job)}")
    facts.append(_describe_money(job))
    if job.state is JobState.QUEUED and job.ahead:
        facts.append(f"{job.ahead} jobs before it")
    name = f" {spec.name}" if spec.name else ""
    owner = f" of {spec.owner.name}" if spec.owner else ""
    created = _minute(job.created_at)
    return printable(f"{job.id}  {created}  {job.state}  {', '.join(facts)}{name}{owner}")


def _describe_failed(job: Job) -> str:
    counts = job.counts
    kinds = {
        "refused": counts.refused,
        "over a cap": counts.unpaid,
        "with an unknown outcome": counts.unknown,
    }
    parts = [f"{number} {kind}" for kind, number in kinds.items() if number]
    return f" ({', '.join(parts)})" if parts else ""


def _describe_money(job: Job) -> str:
    spend = job.spend
    if spend is None:
        return ""
    simulated = " (simulated)" if job.spec.provider == "sandbox" else ""
    billed = f"billed {format_amount(spend.billed_usd, spend.unpriced)}{simulated}"
    if spend.possible:
        possible = format_amount(spend.possible_usd, spend.possible_unpriced)
        billed += f", possibly {possible} more"
    cap = job.spec.cap_usd
    return billed if cap is None else f"{billed} of at most {format_usd(cap)}"


def _minute(at: float) -> str:
    return dt.datetime.fromtimestamp(at, dt.UTC).strftime("%Y-%m-%d %H:%M")
