"""The images made so far and their signed, expiring URLs.

An image is kept as its recipe and drawn when it is downloaded, so thousands cost no memory.
"""

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from stills.sandbox.rules import Order

_ACCESS_KEY_ID = "STILLSSANDBOX"


@dataclass(frozen=True)
class Picture:
    """The recipe of one image."""

    file_name: str
    request_id: str
    order: Order
    seed: int

    def draw(self, scale_divisor: int = 1) -> bytes:
        """Draw the PNG; a divisor makes it that much smaller than promised."""
        from stills.sandbox.placeholder import draw_slate  # noqa: PLC0415 - loads libvips

        return draw_slate(
            self.order.text,
            max(1, self.order.width // scale_divisor),
            max(1, self.order.height // scale_divisor),
            seed=self.seed,
            model=self.order.model,
            reference_count=self.order.reference_count,
        )


class UrlRefusedError(Exception):
    """A result URL that OSS would refuse, with its status and code."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message

    def to_xml(self, request_id: str) -> str:
        """Return the error document OSS answers with."""
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f"<Error><Code>{self.code}</Code><Message>{self.message}</Message>"
            f"<RequestId>{request_id}</RequestId></Error>\n"
        )


class Shelf:
    """Pictures by file name, reached by signed URLs."""

    def __init__(self, url_ttl_seconds: float) -> None:
        self._url_ttl_seconds = url_ttl_seconds
        self._signing_key = secrets.token_bytes(32)
        self._pictures: dict[str, Picture] = {}

    def clear(self) -> None:
        """Forget all pictures; their URLs answer 404."""
        self._pictures.clear()

    def put(self, order: Order, request_id: str) -> list[Picture]:
        """Keep the images of one order; each further one has the next seed."""
        pictures = [
            Picture(f"{request_id}-{index}.png", request_id, order, order.seed + index)
            for index in range(order.image_count)
        ]
        self._pictures.update((picture.file_name, picture) for picture in pictures)
        return pictures

    def signed_path(self, picture: Picture) -> str:
        """Return path and query of the picture's URL."""
        expires = str(int(time.time() + self._url_ttl_seconds))
        query = urlencode(
            {
                "Expires": expires,
                "OSSAccessKeyId": _ACCESS_KEY_ID,
                "Signature": self._signature(picture.file_name, expires),
            }
        )
        return f"/images/{picture.file_name}?{query}"

    def find(self, file_name: str, query: Mapping[str, str]) -> Picture:
        """Return the picture of a URL; `UrlRefusedError` if OSS would not."""
        expires = query.get("Expires", "")
        expected = self._signature(file_name, expires)
        if not hmac.compare_digest(expected.encode(), query.get("Signature", "").encode()):
            raise UrlRefusedError(403, "SignatureDoesNotMatch", "The signature does not match.")
        if time.time() >= int(expires):
            raise UrlRefusedError(403, "AccessDenied", "Request has expired.")
        if file_name not in self._pictures:
            raise UrlRefusedError(404, "NoSuchKey", "The specified key does not exist.")
        return self._pictures[file_name]

    def _signature(self, file_name: str, expires: str) -> str:
        signed = f"GET\n{expires}\n/images/{file_name}".encode("utf-8", "surrogatepass")
        return base64.b64encode(hmac.digest(self._signing_key, signed, hashlib.sha256)).decode()
