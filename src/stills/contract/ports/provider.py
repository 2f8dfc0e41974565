"""The provider: makes images."""

from typing import Protocol

from stills.contract.errors import StillsError
from stills.contract.generation import Chunks, ProviderAnswer, ProviderRequest


class Provider(Protocol):
    """Generates images through a remote service."""

    @property
    def name(self) -> str:
        """Name of the provider, a key of `stills.contract.providers`; part of every spec's key."""
        ...

    @property
    def account(self) -> str:
        """Digest of the account whose rate limits apply; empty if there is none."""
        ...

    async def ready(self) -> None:
        """Do what takes time before the first call, such as loading the SDK."""
        ...

    async def send(self, request: ProviderRequest, *, timeout_seconds: float) -> ProviderAnswer:
        """Send a request over the wire exactly once.

        Raises:
            StillsError: its `billing` says what this call may have cost.
        """
        ...

    async def create_task(self, request: ProviderRequest, *, timeout_seconds: float) -> str:
        """Send a request exactly once to a model's asynchronous API; returns the task's id.

        Raises:
            StillsError: its `billing` says what this call may have cost.
        """
        ...

    async def ask_task(
        self, task_id: str, *, model: str, has_reference: bool, timeout_seconds: float
    ) -> ProviderAnswer | StillsError | None:
        """Ask how a task ended, which is free: its image, its error, or None while it is running.

        Raises:
            StillsError: the service could not be asked; this says nothing about the task.
        """
        ...

    async def download(self, url: str, *, timeout_seconds: float) -> Chunks:
        """Download the image that an answer links to; free of charge.

        Raises:
            LinkDead: the URL returns no image, or not in time.
        """
        ...

    async def list_models(self, *, timeout_seconds: float) -> frozenset[str]:
        """Return the ids of the models that the service lists; free of charge.

        Raises:
            StillsError: the service gave no list.
        """
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...
