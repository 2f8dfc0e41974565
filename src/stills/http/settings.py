"""What a service is told when it starts."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.requests import Request


@dataclass(frozen=True, slots=True)
class Settings:
    """How the service answers.

    `public_url` is where it is reached from outside, None for the address that each caller used.
    `model_aliases` maps names that clients have hard-wired to ids of the model table.
    `metrics_folder` is where several workers count together.
    `keys_required` asks for a key even if none was ever made. `anyone` lets strangers in without.
    `cors_origins` are the origins of web pages that may call the service, or `*` for any.
    """

    model: str
    public_url: str | None = None
    model_aliases: Mapping[str, str] = field(default_factory=dict)
    keys_required: bool = False
    anyone: bool = False
    cors_origins: tuple[str, ...] = ()
    drain_seconds: float = 30.0
    metrics_folder: str | None = None

    def image_url(self, asker: Request, image_id: str) -> str:
        """Say where an image opens for this caller."""
        base = self.public_url or str(asker.base_url).rstrip("/")
        return f"{base}/images/{image_id}.png"
