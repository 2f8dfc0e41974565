"""The images generated so far, and their signed, expiring URLs.

Only an image's recipe is stored. It is rendered when it is downloaded, so thousands fit in memory.
"""

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from stills.sandbox.rules import AcceptedRequest

_ACCESS_KEY_ID = "STILLSSANDBOX"


@dataclass(frozen=True)
class ImageRecipe:
    """The recipe of one image."""

    file_name: str
    request_id: str
    accepted: AcceptedRequest
    seed: int

    def render(self, scale_divisor: int = 1) -> bytes:
        """Render the PNG; a divisor makes it that much smaller than promised."""
        from stills.sandbox.placeholder import draw_placeholder  # noqa: PLC0415 - loads libvips

        return draw_placeholder(
            self.accepted.text,
            max(1, self.accepted.width // scale_divisor),
            max(1, self.accepted.height // scale_divisor),
            seed=self.seed,
            model=self.accepted.model,
            reference_count=self.accepted.reference_count,
        )


class RejectedUrl(Exception):
    """A result URL that OSS would refuse, and the status and code of the refusal."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message

    def to_xml(self, request_id: str) -> str:
        """Return the error document that OSS sends."""
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f"<Error><Code>{self.code}</Code><Message>{self.message}</Message>"
            f"<RequestId>{request_id}</RequestId></Error>\n"
        )


class ImageStore:
    """Image recipes by file name, reached through signed URLs."""

    def __init__(self, url_ttl_seconds: float) -> None:
        self._url_ttl_seconds = url_ttl_seconds
        self._signing_key = secrets.token_bytes(32)
        self._images: dict[str, ImageRecipe] = {}

    def clear(self) -> None:
        """Forget all images; their URLs return 404."""
        self._images.clear()

    def put(self, accepted: AcceptedRequest, request_id: str) -> list[ImageRecipe]:
        """Add the images of one request; seeds count up."""
        images = [
            ImageRecipe(f"{request_id}-{index}.png", request_id, accepted, accepted.seed + index)
            for index in range(accepted.image_count)
        ]
        self._images.update((image.file_name, image) for image in images)
        return images

    def signed_path(self, image: ImageRecipe) -> str:
        """Return the path and query of an image's URL."""
        expires = str(int(time.time() + self._url_ttl_seconds))
        query = urlencode(
            {
                "Expires": expires,
                "OSSAccessKeyId": _ACCESS_KEY_ID,
                "Signature": self._signature(image.file_name, expires),
            }
        )
        return f"/images/{image.file_name}?{query}"

    def find(self, file_name: str, query: Mapping[str, str]) -> ImageRecipe:
        """Look up the image of a URL; raises `RejectedUrl` where OSS would refuse."""
        expires = query.get("Expires", "")
        expected = self._signature(file_name, expires)
        if not hmac.compare_digest(expected.encode(), query.get("Signature", "").encode()):
            raise RejectedUrl(403, "SignatureDoesNotMatch", "The signature does not match.")
        if time.time() >= int(expires):
            raise RejectedUrl(403, "AccessDenied", "Request has expired.")
        if file_name not in self._images:
            raise RejectedUrl(404, "NoSuchKey", "The specified key does not exist.")
        return self._images[file_name]

    def _signature(self, file_name: str, expires: str) -> str:
        signed = f"GET\n{expires}\n/images/{file_name}".encode("utf-8", "surrogatepass")
        return base64.b64encode(hmac.digest(self._signing_key, signed, hashlib.sha256)).decode()
