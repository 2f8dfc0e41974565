"""The PNG files of stored images.

Not a route, because every frame of a film is loaded here. The image of an id never changes, so
its headers and bytes are cached, up to a limit.
"""

import re
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import formatdate, parsedate_to_datetime
from typing import NamedTuple
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.responses import Response

from stills.app import Stills
from stills.contract.errors import ImageMissing, StillsError
from stills.contract.generation import Image
from stills.http.errors import error_answer, not_found
from stills.http.paths import read_image_id

_CACHE_BYTES_MAX = 64 * 1024 * 1024
_IMAGES_MAX = 10_000
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.ASCII)
_CONDITIONS = frozenset((b"if-none-match", b"if-modified-since", b"if-range", b"range"))
_CACHING = "public, max-age=31536000, immutable"


Header = tuple[bytes, bytes]


class PngAnswer(NamedTuple):
    """The response to send."""

    status: int
    headers: tuple[Header, ...]
    body: bytes
    error: str | None = None
    """The error code, for the log."""


@dataclass(frozen=True, slots=True)
class _CachedImage:
    image: Image
    etag: str
    modified_at: int
    headers: tuple[Header, ...]
    complete_headers: tuple[Header, ...]
    """The headers of a complete response, with its length."""


class ImageFiles:
    """Answers `/images/{id}.png`: all of it, a part, or nothing if the client has it already."""

    def __init__(self, stills: Stills) -> None:
        self._stills = stills
        self._cached: OrderedDict[str, _CachedImage] = OrderedDict()
        self._bytes: OrderedDict[str, bytes] = OrderedDict()
        self._bytes_size = 0

    async def answer(self, method: str, path: str, headers: Sequence[Header]) -> PngAnswer:
        """Answer a GET or HEAD of `path`."""
        image_id = read_image_id(path)
        try:
            cached = await self._find(image_id)
            if cached is None:
                return _refusal(not_found("No image has this id."))
            image, part = cached.image, None
            if not _CONDITIONS.isdisjoint(name for name, _ in headers):
                conditions = Headers(raw=list(headers))
                if _is_unchanged(cached, conditions):
                    return PngAnswer(304, cached.headers, b"")
                part = _read_range(cached, conditions)
            if part is not None and method == "GET":
                return await self._answer_part(image_id, cached, *part)
            if method == "HEAD":
                if image_id not in self._bytes and not await self._stills.images.exists(
                    cached.image
                ):
                    raise self._lost(image)
                return PngAnswer(200, cached.complete_headers, b"")
            return PngAnswer(200, cached.complete_headers, await self._read(image_id, image))
        except StillsError as error:
            return _refusal(error_answer(error), error.code)

    def forget(self, generation_id: str) -> None:
        """Drop a deleted image in all sizes from the cache of this worker."""
        for image_id in [one for one in self._cached if one.startswith(f"{generation_id}-")]:
            del self._cached[image_id]
            self._bytes_size -= len(self._bytes.pop(image_id, b""))

    async def _answer_part(
        self, image_id: str, cached: _CachedImage, first: int, end: int
    ) -> PngAnswer:
        size = cached.image.rendition.byte_count
        if first >= end:
            content_range = (b"content-range", f"bytes */{size}".encode())
            return PngAnswer(416, (content_range, _length(0)), b"")
        data = await self._read(image_id, cached.image)
        content_range = (b"content-range", f"bytes {first}-{end - 1}/{size}".encode())
        part = data[first:end]
        return PngAnswer(206, (*cached.headers, content_range, _length(len(part))), part)

    async def _find(self, image_id: str) -> _CachedImage | None:
        cached = self._cached.get(image_id)
        if cached is not None:
            self._cached.move_to_end(image_id)
            return cached
        image = await self._stills.images.find(image_id)
        if image is None:
            return None
        cached = _describe(image)
        self._cached[image_id] = cached
        if len(self._cached) > _IMAGES_MAX:
            self._cached.popitem(last=False)
        return cached

    async def _read(self, image_id: str, image: Image) -> bytes:
        data = self._bytes.get(image_id)
        if data is not None:
            self._bytes.move_to_end(image_id)
            return data
        data = await self._read_store(image)
        if image_id not in self._bytes:
            self._bytes[image_id] = data
            self._bytes_size += len(data)
        while self._bytes_size > _CACHE_BYTES_MAX:
            _, oldest = self._bytes.popitem(last=False)
            self._bytes_size -= len(oldest)
        return data

    async def _read_store(self, image: Image) -> bytes:
        try:
            data = await self._stills.images.read(image)
        except ImageMissing:
            data = b""
        if len(data) != image.rendition.byte_count:
            raise self._lost(image)
        return data

    def _lost(self, image: Image) -> ImageMissing:
        self._cached.pop(image.rendition.id, None)  # it may be rendered again, with other bytes
        return ImageMissing("the image is missing from the store, or damaged there")


def _describe(image: Image) -> _CachedImage:
    rendition = image.rendition
    etag = f'"{rendition.sha256}"'
    modified_at = int(image.generation.created_at)
    name = quote(rendition.object_path.rpartition("/")[2])
    headers = {
        "content-type": "image/png",
        "etag": etag,
        "cache-control": _CACHING,
        "last-modified": formatdate(modified_at, usegmt=True),
        "accept-ranges": "bytes",
        "x-content-type-options": "nosniff",
        "content-disposition": f"inline; filename*=UTF-8''{name}",
    }
    encoded = tuple((header.encode(), value.encode()) for header, value in headers.items())
    complete = (*encoded, _length(rendition.byte_count))
    return _CachedImage(image, etag, modified_at, encoded, complete)


def _is_unchanged(cached: _CachedImage, headers: Headers) -> bool:
    """Return whether the client has the image already (RFC 9110, section 13)."""
    known = headers.get("if-none-match")
    if known is not None:
        tags = [tag.strip().removeprefix("W/") for tag in known.split(",")]
        return known.strip() == "*" or cached.etag in tags
    since = _read_date(headers.get("if-modified-since"))
    return since is not None and cached.modified_at <= since


def _read_range(cached: _CachedImage, headers: Headers) -> tuple[int, int] | None:
    """Return the first byte of the range and the one after its last; None for the whole image.

    Several ranges, or an invalid one, get the whole image; an empty range can't be satisfied.
    """
    match = _RANGE.fullmatch(headers.get("range", "").replace(" ", ""))
    if match is None or not _matches(cached, headers.get("if-range")):
        return None
    size = cached.image.rendition.byte_count
    first, last = match.groups()
    if first:
        if last and int(last) < int(first):
            return None
        return int(first), min(size, int(last) + 1) if last else size
    if last:
        return max(0, size - int(last)), size
    return None


def _matches(cached: _CachedImage, condition: str | None) -> bool:
    if condition is None or condition == cached.etag:
        return True
    return _read_date(condition) == cached.modified_at


def _read_date(date: str | None) -> int | None:
    if not date:
        return None
    try:
        return int(parsedate_to_datetime(date).timestamp())
    except (ValueError, TypeError, OverflowError):
        return None


def _length(byte_count: int) -> Header:
    return b"content-length", str(byte_count).encode()


def _refusal(response: Response, code: str | None = None) -> PngAnswer:
    headers = tuple(response.raw_headers)
    return PngAnswer(response.status_code, headers, bytes(response.body), code)
