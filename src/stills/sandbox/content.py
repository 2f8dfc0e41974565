"""The content of a message: one text, and reference images."""

import binascii
import re
from base64 import b64decode
from collections.abc import Container
from dataclasses import dataclass
from typing import Any

from stills.sandbox.errors import Refusal, invalid_parameter

LARGEST_IMAGE_BYTES = 10 * 1024 * 1024
SMALLEST_SIDE_PIXELS = 10
MOST_IMAGE_PIXELS = 100_000_000
"""No limit of the service is known; this one bounds the sandbox's memory."""

DATA_URL = re.compile(r"data:image/[a-z0-9.+-]+;base64,", re.IGNORECASE)
_KINDS = ("text", "image")
# What the service takes: JPG, PNG, BMP, TIFF, WEBP and GIF (API reference, November 2026).
_SIGNATURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM", b"II*\0", b"MM\0*", b"RIFF", b"GIF8")


@dataclass(frozen=True)
class Uploads:
    """The files that were uploaded, and whether the request's headers let it use them."""

    keys: Container[str]
    can_resolve: bool


def read_text(parts: list[dict[str, Any]]) -> str:
    """Return the one text among the parts of a message."""
    texts = [part["text"] for part in parts if "text" in part]
    if len(texts) != 1:
        raise invalid_parameter(f"The content must hold exactly one text, not {len(texts)}.")
    text = texts[0]
    if not isinstance(text, str) or not text:
        raise invalid_parameter("text must be a non-empty string.")
    return text


def read_parts(content: object) -> list[dict[str, Any]]:
    """Return the parts of a message: `{"text": …}`, or `{"type": "text", "text": …}`, or an image.

    Clients of the compatible endpoints add the type, as its own pages do (November 2026).
    """
    if not isinstance(content, list):
        raise invalid_parameter("The content of the message must be a list.")
    for part in content:
        if not isinstance(part, dict):
            raise invalid_parameter("Each part of the content must be an object.")
        kinds = [kind for kind in _KINDS if kind in part]
        if (
            len(kinds) != 1
            or part.keys() - {"type", *kinds}
            or part.get("type", *kinds) != kinds[0]
        ):
            raise invalid_parameter("Each part of the content must be one text or one image.")
    return content


def check_images(images: list[object], uploads: Uploads, *, most: int) -> int:
    """Check reference images, and return their number; the sandbox never fetches a URL."""
    if len(images) > most:
        raise invalid_parameter(f"The content may hold at most {most} images, not {len(images)}.")
    for image in images:
        _check_image(image, uploads)
    return len(images)


def _check_image(image: object, uploads: Uploads) -> None:
    if not isinstance(image, str):
        raise invalid_parameter("image must be a string.")
    if image.startswith(("https://", "http://")):
        return
    if image.startswith("oss://"):
        if not uploads.can_resolve:
            raise invalid_parameter("oss:// needs the header X-DashScope-OssResourceResolve.")
        if image.removeprefix("oss://") not in uploads.keys:
            raise Refusal(400, "InvalidFile.DownloadFailed", "Failed to download the file.")
        return
    start = DATA_URL.match(image)
    if start is None:
        raise invalid_parameter("image must be an http(s) URL or data:image/...;base64,...")
    try:
        data = b64decode(image[start.end() :], validate=True)
    except (binascii.Error, ValueError):
        raise invalid_parameter("The data URL of an image is not base64.") from None
    if len(data) > LARGEST_IMAGE_BYTES:
        raise invalid_parameter("An image must have at most 10 MB.")
    width, height = _measure(data)
    if min(width, height) < SMALLEST_SIDE_PIXELS:
        raise invalid_parameter(f"An image must be larger than {width}*{height} pixels.")


def _measure(data: bytes) -> tuple[int, int]:
    """Return the size of an image, after decoding it; raises a `Refusal` if it is not one."""
    if data.startswith(b"BM"):  # not all builds of libvips can decode these
        if len(data) < 26:  # noqa: PLR2004 - up to the height
            raise _unreadable()
        width, height = (
            int.from_bytes(data[at : at + 4], "little", signed=True) for at in (18, 22)
        )
        return width, abs(height)
    if not data.startswith(_SIGNATURES):
        raise _unreadable()
    import pyvips  # noqa: PLC0415 - slow

    try:
        image = pyvips.Image.new_from_buffer(data, "", access="sequential", fail_on="truncated")
        size = image.width, image.height
        if size[0] * size[1] > MOST_IMAGE_PIXELS:
            raise _unreadable()
        image.avg()  # decodes it to its end
    except pyvips.Error:
        raise _unreadable() from None
    return size


def _unreadable() -> Refusal:
    """Make the refusal of bytes that are not an image (error-code page, December 2025)."""
    return Refusal(
        400,
        "InvalidImage.FileFormat",
        "Invalid image type. Please ensure the uploaded file is a valid image.",
    )
