"""How links to the images of an object store are made."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ImageLinks:
    """Where images open: under `prefix`, such as a CDN's, or signed for `signed_seconds`.

    With neither, a link is the object's own URL, such as `s3://bucket/a.png`.
    """

    prefix: str | None = None
    signed_seconds: int | None = None


SIGNED_SECONDS_MAX = 7 * 24 * 3600
"""The longest that S3 and Google Cloud accept."""
