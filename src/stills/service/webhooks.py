"""Report the end of durable jobs to their owners, at least once, by Standard Webhooks."""

import asyncio
import json
import logging
from datetime import UTC, datetime
from importlib.metadata import version

from standardwebhooks import Webhook as Signer

from stills.app import Stills
from stills.contract.errors import NotFound, StillsError
from stills.contract.ports.webhook_sender import WebhookSender
from stills.contract.webhooks import Webhook, WebhookSettings
from stills.service.job_records import job_record

_AT_ONCE = 16
_IDLE_SECONDS = 1.0
_USER_AGENT = f"stills/{version('stills')}"
_LOG = logging.getLogger("stills.jobs")


class WebhookDelivery:
    """Sends the webhooks of ended jobs. Any number of workers may do so at once."""

    def __init__(self, stills: Stills, settings: WebhookSettings, sender: WebhookSender) -> None:
        self._stills = stills
        self._settings = settings
        self._sender = sender

    async def run(self) -> None:
        """Deliver webhooks when they are due, until cancelled."""
        while True:
            try:
                count = await self.deliver_due()
            except StillsError as error:
                _LOG.warning("webhooks could not be read: %s", error.message)
                count = 0
            if not count:
                await asyncio.sleep(_IDLE_SECONDS)

    async def deliver_due(self) -> int:
        """Send the webhooks that are due now; returns how many were tried."""
        due = await self._stills.jobs.take_webhooks(limit=_AT_ONCE)
        await asyncio.gather(*(self._deliver(one) for one in due))
        return len(due)

    async def _deliver(self, webhook: Webhook) -> None:
        problem = await self._send(webhook)
        if problem is not None:
            _LOG.warning("webhook %s, attempt %d: %s", webhook.id, webhook.attempts, problem)
        await self._stills.jobs.record_webhook(webhook, problem=problem)

    async def _send(self, webhook: Webhook) -> str | None:
        try:
            job = await self._stills.jobs.get(webhook.job_id)
        except NotFound:
            return "the job is gone"
        now = datetime.now(UTC)
        body = json.dumps(
            {
                "type": f"job.{job.state.value}",
                "timestamp": datetime.fromtimestamp(webhook.ended_at, UTC).isoformat(),
                "data": job_record(job),
            }
        )
        owner = job.spec.owner
        secret = self._settings.secret_of(None if owner is None else owner.name)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": _USER_AGENT,
            "webhook-id": webhook.id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Signer(secret).sign(webhook.id, now, body),
        }
        return await self._sender.send(job.spec.notify_url or "", headers, body.encode())
