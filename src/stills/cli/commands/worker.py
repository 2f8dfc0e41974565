"""`stills worker`: generate the shots of durable jobs until SIGTERM."""

import argparse
import asyncio
import logging
import sys
from collections.abc import Awaitable

from stills.app import Stills
from stills.assembly import open_webhook_sender
from stills.batch.part_runner import PartRunner
from stills.cli.errors import INTERRUPTED
from stills.cli.interrupts import Interrupts
from stills.cli.open_files import raise_open_files
from stills.config import read_config
from stills.contract.errors import ConfigError, StillsError
from stills.contract.ports.jobs import SILENT_SECONDS, WorkOptions
from stills.contract.ports.webhook_sender import WebhookSender
from stills.contract.webhooks import WebhookSettings
from stills.http.job_worker import serving_health
from stills.http.metrics import Metrics

_RECOVER_SECONDS = 600.0

logger = logging.getLogger("stills.jobs")


def run(options: argparse.Namespace, *, silent_seconds: float = SILENT_SECONDS) -> int:
    """Run the command; the exit code is 0 once what was sent is finished.

    Raises:
        Exception: something failed that should not; what was sent is finished.
    """
    concurrency = _concurrency(options)
    raise_open_files()
    logging.basicConfig(format="stills: %(message)s", stream=sys.stderr)
    return asyncio.run(_work(options, concurrency, silent_seconds))


def _concurrency(options: argparse.Namespace) -> int:
    concurrency: int | None = options.concurrency
    if concurrency is None:
        return read_config().concurrency
    if not 1 <= concurrency <= 9999:  # noqa: PLR2004 - as STILLS_CONCURRENCY
        raise ConfigError(
            "--concurrency is out of range", field="concurrency", action="Use 1 to 9999."
        )
    return concurrency


async def _work(options: argparse.Namespace, concurrency: int, silent_seconds: float) -> int:
    # Jobs may come from strangers: their references are downloaded from public addresses only.
    made = Stills.from_env(sandbox=options.sandbox, guard_references=True)
    config = read_config()
    sender = await asyncio.to_thread(open_webhook_sender, config)
    async with made as stills:
        metrics = Metrics(models=stills.models)
        runner = PartRunner(
            stills,
            concurrency=concurrency,
            on_image=metrics.count_image,
            on_send_settled=metrics.count_billing,
        )
        stop, ready = asyncio.Event(), asyncio.Event()
        health = serving_health(stills, metrics, host=options.host, port=options.port)
        with Interrupts(stop, is_sent=lambda: True) as interrupts:
            async with health as url:
                works = [_announce(ready, url), _recover_at_times(stills, ready)]
                if config.webhooks.secret is not None:
                    works.append(_deliver_webhooks(stills, config.webhooks, sender, ready))
                helpers = [asyncio.create_task(_stop_if_it_fails(work, stop)) for work in works]
                try:
                    how = WorkOptions(stills.provider, silent_seconds)
                    await interrupts.run(
                        lambda: stills.jobs.work(runner, how, stop=stop, ready=ready)
                    )
                finally:
                    for helper in helpers:
                        helper.cancel()
                    ended = await asyncio.gather(*helpers, return_exceptions=True)
        if interrupts.count > 1:
            return INTERRUPTED
        await stills.drain()
    for end in ended:
        if isinstance(end, Exception):
            raise end
    return 0


async def _stop_if_it_fails(work: Awaitable[None], stop: asyncio.Event) -> None:
    """End the worker as SIGTERM does, so that its supervisor starts another."""
    try:
        await work
    except Exception as error:
        logger.warning("unexpected %s: the worker finishes what was sent, and ends", error)
        stop.set()
        raise


async def _announce(ready: asyncio.Event, url: str) -> None:
    await ready.wait()
    print(f"Stills is taking jobs; {url}/healthz and {url}/metrics show its state.", flush=True)


async def _deliver_webhooks(
    stills: Stills, settings: WebhookSettings, sender: WebhookSender, ready: asyncio.Event
) -> None:
    await ready.wait()
    from stills.service.webhooks import WebhookDelivery  # noqa: PLC0415 - needs stills[jobs]

    await WebhookDelivery(stills, settings, sender).run()


async def _recover_at_times(stills: Stills, ready: asyncio.Event) -> None:
    """Finish interrupted images that are paid for, one worker at a time."""
    await ready.wait()
    while True:
        try:
            if await stills.jobs.take_turn("recover", seconds=_RECOVER_SECONDS):
                await stills.maintenance.recover()
        except StillsError as error:
            logger.warning("interrupted images could not be finished: %s", error.message)
        await asyncio.sleep(_RECOVER_SECONDS / 10)
