"""Sending webhooks to the addresses that strangers name."""

from collections.abc import Mapping
from typing import Protocol


class WebhookSender(Protocol):
    """Sends one request; never to a private address, unless that is allowed."""

    async def send(self, url: str, headers: Mapping[str, str], body: bytes) -> str | None:
        """Send a POST, and return why it failed, or None if the receiver accepted it.

        Redirects are not followed.
        """
        ...
