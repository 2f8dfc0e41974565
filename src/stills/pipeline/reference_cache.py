"""References that were prepared a moment ago, because many requests share a few of them."""

import asyncio
import base64
import hashlib
from collections import OrderedDict
from dataclasses import dataclass

from stills.contract.errors import InvalidReference
from stills.contract.pixel_budget import PixelBudget
from stills.contract.ports.downloader import Downloader
from stills.contract.ports.imaging import Imaging
from stills.contract.size import Size
from stills.pipeline.single_flight import SingleFlight

REFERENCE_MAX_BYTES = 40 * 1024 * 1024
"""How large a reference may be as it is given; what is sent is smaller."""

KEPT_BYTES_MAX = 64 * 1024 * 1024
KEPT_URLS_MAX = 1000
URL_SECONDS = 600.0
"""How long a URL is taken to lead to the same image."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """An image as it is sent: a data URL, the SHA-256 of the original bytes, and its size."""

    url: str
    digest: str
    size: Size
    changes: tuple[str, ...]


class ReferenceCache:
    """Downloads and prepares each image once for all requests that need it at about the same time.

    It belongs to one ReferenceLoader, and keeps at most `KEPT_BYTES_MAX`.
    """

    def __init__(self, imaging: Imaging, pixels: PixelBudget, downloader: Downloader) -> None:
        self._imaging = imaging
        self._pixels = pixels
        self._downloader = downloader
        self._downloading: SingleFlight[str, Prepared] = SingleFlight()
        self._preparing: SingleFlight[str, Prepared] = SingleFlight()
        self._prepared: OrderedDict[str, Prepared] = OrderedDict()
        self._kept_bytes = 0
        self._digests: OrderedDict[str, tuple[str, float]] = OrderedDict()

    async def prepare(self, data: bytes) -> Prepared:
        """Check an image and convert it to what models accept.

        Raises:
            InvalidReference: it can't serve as a reference.
        """
        if len(data) > REFERENCE_MAX_BYTES:
            raise too_big(len(data))
        digest = await asyncio.to_thread(_hash, data)
        kept = self._find(digest)
        if kept is not None:
            return kept
        prepared, _ = await self._preparing.join(
            digest, lambda: self._prepare(data, digest), abandon=lambda: True
        )
        return prepared

    async def download(self, url: str) -> Prepared:
        """Download an image and prepare it.

        Raises:
            InvalidReference: it can't be downloaded, or can't serve as a reference.
        """
        digest, until = self._digests.get(url, ("", 0.0))
        if asyncio.get_running_loop().time() < until:
            kept = self._find(digest)
            if kept is not None:
                return kept
        prepared, _ = await self._downloading.join(
            url, lambda: self._download(url), abandon=lambda: True
        )
        return prepared

    async def close(self) -> None:
        """Cancel what is under way."""
        await self._downloading.close()
        await self._preparing.close()

    async def _download(self, url: str) -> Prepared:
        prepared = await self.prepare(
            await self._downloader.get(url, max_bytes=REFERENCE_MAX_BYTES)
        )
        self._digests[url] = (prepared.digest, asyncio.get_running_loop().time() + URL_SECONDS)
        self._digests.move_to_end(url)
        if len(self._digests) > KEPT_URLS_MAX:
            self._digests.popitem(last=False)
        return prepared

    async def _prepare(self, data: bytes, digest: str) -> Prepared:
        size = await self._imaging.measure_reference(data)
        async with self._pixels.hold(size.pixels):
            image = await self._imaging.prepare_reference(data)
        encoded = await asyncio.to_thread(base64.b64encode, image.data)
        url = f"data:{image.media_type};base64,{encoded.decode()}"
        prepared = Prepared(url, digest, image.size, image.changes)
        self._keep(prepared)
        return prepared

    def _find(self, digest: str) -> Prepared | None:
        kept = self._prepared.get(digest)
        if kept is not None:
            self._prepared.move_to_end(digest)
        return kept

    def _keep(self, prepared: Prepared) -> None:
        self._prepared[prepared.digest] = prepared
        self._kept_bytes += len(prepared.url)
        while self._kept_bytes > KEPT_BYTES_MAX:
            _, oldest = self._prepared.popitem(last=False)
            self._kept_bytes -= len(oldest.url)


def too_big(byte_count: int) -> InvalidReference:
    """Make the error of an image of more than `REFERENCE_MAX_BYTES`."""
    return InvalidReference(
        f"reference_image is {byte_count / 1024 / 1024:.1f} MB, over the limit of "
        f"{REFERENCE_MAX_BYTES // 1024 // 1024} MB",
        field="reference_image",
        action="Scale it down to at most 3072 pixels per side; nothing was sent.",
    )


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
