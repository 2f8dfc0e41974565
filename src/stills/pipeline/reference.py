"""Load reference images in any form, each as a URL that can be sent."""

import asyncio
import base64
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from stills.contract.errors import InvalidReference
from stills.contract.pixel_budget import PixelBudget
from stills.contract.ports.downloader import Downloader
from stills.contract.ports.imaging import Imaging, ReferenceImage
from stills.contract.size import Size
from stills.pipeline.encoded_image import (
    BASE64_MIN,
    decode_base64,
    decode_data_url,
    is_base64_image,
    is_data_url,
)

REFERENCE_MAX_BYTES = 40 * 1024 * 1024
"""How large a reference may be as it is given; what is sent is smaller."""

_QUOTED_MAX = 400  # characters


@dataclass(frozen=True, slots=True)
class Reference:
    """A verified reference image.

    `url` is an https or data URL. `digest` is the SHA-256 of the bytes that were given, or of an
    https URL. `shown` is for people, without query, credentials or bytes. `size` is that of the
    original, upright; None if it was not downloaded. `notes` tell what was changed to send it.
    """

    url: str
    digest: str
    shown: str
    size: Size | None = None
    notes: tuple[str, ...] = ()


class ReferenceLoader:
    """Loads reference images in any form; one for all requests of a process.

    With a `downloader` they are untrusted: a path is rejected without reading it, and a URL is
    downloaded here and sent as bytes, so that the service does not fetch it.
    """

    def __init__(
        self, imaging: Imaging, pixels: PixelBudget, downloader: Downloader | None
    ) -> None:
        self._imaging = imaging
        self._pixels = pixels
        self._downloader = downloader

    async def load(self, given: str | bytes) -> Reference:
        """Load a reference image from an https URL, a data URL, base64, a local path or bytes.

        Raises:
            InvalidReference: it is something else, too big, or can't serve as a reference.
        """
        if isinstance(given, bytes):
            return await self._prepare(given, shown=f"{len(given)} bytes")
        if given[:8].lower() == "https://":
            reference = _from_url(given)
            if self._downloader is None:
                return reference
            data = await self._downloader.get(given, max_bytes=REFERENCE_MAX_BYTES)
            return await self._prepare(data, shown=reference.shown)
        if is_data_url(given):
            data = await asyncio.to_thread(decode_data_url, given)
            return await self._prepare(data, shown="data URL")
        if is_base64_image(given) and not (
            self._downloader is None and await asyncio.to_thread(_exists, given)
        ):
            data = await asyncio.to_thread(decode_base64, given)
            return await self._prepare(data, shown="base64")
        if "://" in given[:12]:
            raise InvalidReference(
                f"reference_image has scheme {given.split('://', 1)[0]!r}, but only https is "
                "supported",
                field="reference_image",
            )
        if self._downloader is not None:
            raise InvalidReference(
                "reference_image is neither an https URL nor a data URL",
                field="reference_image",
                action="Give an https URL, a data URL or bytes of an image.",
            )
        data = await asyncio.to_thread(_read_file, given)
        return await self._prepare(data, shown=Path(given).name)

    async def _is_path(self, given: str) -> bool:
        return self._downloader is None and await asyncio.to_thread(_exists, given)

    async def _prepare(self, data: bytes, *, shown: str) -> Reference:
        if len(data) > REFERENCE_MAX_BYTES:
            raise _too_big(len(data))
        size = await self._imaging.measure_reference(data)
        async with self._pixels.hold(size.pixels):
            image = await self._imaging.prepare_reference(data)
        return await asyncio.to_thread(_make_reference, data, image, shown)


def _from_url(url: str) -> Reference:
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        host = None
    if not host or any(character.isspace() for character in url):
        raise InvalidReference("reference_image is not a valid URL", field="reference_image")
    digest = hashlib.sha256(url.encode()).hexdigest()
    return Reference(url, digest, shown=f"https://{host}{parts.path}")


def _make_reference(data: bytes, image: ReferenceImage, shown: str) -> Reference:
    encoded = base64.b64encode(image.data).decode()
    return Reference(
        url=f"data:{image.media_type};base64,{encoded}",
        digest=hashlib.sha256(data).hexdigest(),
        shown=shown,
        size=image.size,
        notes=tuple(f"The reference image ({shown}) {change}." for change in image.changes),
    )


def _find_file(written: str) -> Path:
    """Return the path in the locale's encoding, or in UTF-8, which Stills uses for file names."""
    path = Path(written).expanduser()
    if path.exists():
        return path
    in_utf8 = Path(os.fsdecode(str(path).encode("utf-8", "surrogateescape")))
    return in_utf8 if in_utf8.exists() else path


def _exists(written: str) -> bool:
    try:
        return _find_file(written).exists()
    except (OSError, ValueError, RuntimeError):
        return False


def _read_file(written: str) -> bytes:
    try:
        path = _find_file(written)
        if not path.is_file():
            what = "not a regular file" if path.exists() else "no such file"
            raise InvalidReference(
                f"reference_image{_quote(written)}: {what}", field="reference_image"
            )
        size = path.stat().st_size
        if size > REFERENCE_MAX_BYTES:
            raise _too_big(size)
        return path.read_bytes()
    except (OSError, ValueError, RuntimeError) as error:
        raise InvalidReference(
            f"reference_image{_quote(written)} can't be read: "
            f"{getattr(error, 'strerror', None) or type(error).__name__}",
            field="reference_image",
        ) from None


def _quote(written: str) -> str:
    """Return a path as part of a message; nothing if it may be a spoilt image in base64."""
    is_path = len(written) < BASE64_MIN or ("." in written and len(written) <= _QUOTED_MAX)
    return f" {written!r}" if is_path else ""


def _too_big(byte_count: int) -> InvalidReference:
    return InvalidReference(
        f"reference_image is {byte_count / 1024 / 1024:.1f} MB, over the limit of "
        f"{REFERENCE_MAX_BYTES // 1024 // 1024} MB",
        field="reference_image",
        action="Scale it down to at most 3072 pixels per side; nothing was sent.",
    )
