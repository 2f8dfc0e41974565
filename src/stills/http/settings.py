"""Settings of the HTTP service."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.requests import Request

from stills.contract.image_address import served_image_url
from stills.contract.webhooks import NO_WEBHOOKS, WebhookSettings


@dataclass(frozen=True, slots=True)
class Settings:
    """How the service answers.

    `public_url` is its address for clients, None for the address that each client used.
    `model_aliases` maps model names that clients have hard-coded to ids of the model table; a name
    that ends in `@edit` applies to requests with reference images.
    `metrics_folder` is where several workers count together.
    `keys_required` requires a key even if none was ever created; `anyone` requires none at all.
    `cors_origins` are the origins of web pages that may call the service, or `*` for any.
    `drain_seconds` is how long a stop waits for images that were paid for, `keep_alive_seconds`
    the silence in a stream of events before a comment is sent, and `key_check_seconds` how long
    the service remembers that no key exists. `gallery` is whether people can look at stored images
    in a browser, and `reviews` are the names of folders under review. `webhooks` are those of
    durable jobs.
    """

    model: str
    public_url: str | None = None
    model_aliases: Mapping[str, str] = field(default_factory=dict)
    keys_required: bool = False
    anyone: bool = False
    cors_origins: tuple[str, ...] = ()
    drain_seconds: float = 30.0
    keep_alive_seconds: float = 15.0
    key_check_seconds: float = 1.0
    metrics_folder: str | None = None
    gallery: bool = True
    reviews: tuple[str, ...] = ()
    webhooks: WebhookSettings = NO_WEBHOOKS

    def image_url(self, http_request: Request, image_id: str, link: str) -> str:
        """Return where this client can open an image: the store's link, if that is a web URL."""
        is_web = link.startswith(("https://", "http://"))
        return link if is_web else self.own_url(http_request, image_id)

    def own_url(self, http_request: Request, image_id: str) -> str:
        """Return the URL of an image in this service, as this client sees it."""
        base = self.public_url or str(http_request.base_url).rstrip("/")
        return served_image_url(base, image_id)
