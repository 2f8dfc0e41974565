"""Webhooks: what is reported when a durable job ends, and to whom."""

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from stills.contract.errors import InvalidRequest

_SECRET_PREFIX = "whsec_"  # noqa: S105 - of Standard Webhooks, not a secret


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """How webhooks are sent. Without a `secret` there are none.

    `allows_private` also allows http and private addresses, for receivers in one's own network.
    """

    secret: str | None = field(default=None, repr=False)
    allows_private: bool = False

    def secret_of(self, owner: str | None) -> str:
        """Return the secret that verifies an owner's webhooks, in the form of Standard Webhooks.

        Each owner has one of its own, so that none can forge the webhooks of another.
        """
        import base64  # noqa: PLC0415 - most commands read these settings only
        import hashlib  # noqa: PLC0415
        import hmac  # noqa: PLC0415

        key = (self.secret or "").encode()
        digest = hmac.digest(key, (owner or "").encode(), hashlib.sha256)
        return _SECRET_PREFIX + base64.b64encode(digest).decode()

    def check_url(self, url: str) -> None:
        """Check where to send webhooks, before a job is stored.

        Raises:
            InvalidRequest: this installation has no webhooks, or the URL is not allowed.
        """
        if self.secret is None:
            raise InvalidRequest(
                "webhooks are not set up here",
                field="webhook_url",
                action="Leave out webhook_url, or set STILLS_WEBHOOK_SECRET for the service and "
                "its workers.",
            )
        if not self._allows(url):
            raise InvalidRequest(
                "webhook_url is not allowed",
                field="webhook_url",
                action="Use a public https URL without a port or a password; "
                "STILLS_WEBHOOK_PRIVATE=1 allows others.",
            )

    def _allows(self, url: str) -> bool:
        from stills.contract.addresses import may_be_public  # noqa: PLC0415 - as above

        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            return False
        if not host or parts.username or not url.isprintable():
            return False
        if self.allows_private:
            return parts.scheme in ("http", "https")
        return parts.scheme == "https" and port in (None, 443) and may_be_public(host)


NO_WEBHOOKS = WebhookSettings()


@dataclass(frozen=True, slots=True)
class Webhook:
    """One report of the end of a job. Times are Unix seconds.

    `id` stays the same in every attempt. It is delivered, given up, or tried again at `next_at`;
    `problem` is what went wrong last.
    """

    id: str
    job_id: str
    ended_at: float
    attempts: int
    next_at: float
    delivered_at: float | None = None
    gave_up_at: float | None = None
    problem: str | None = None
