"""The images themselves, for as long as they are kept.

No route, as every frame of a film comes through here. What lies under an id never changes, so
facts and bytes that were read once are remembered, up to a limit.
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

IMAGE_PATH = "/images/{image_id}.png"
_BEFORE, _AFTER = IMAGE_PATH.split("{image_id}")
_MEMORY_BYTES = 64 * 1024 * 1024
_IMAGES_MAX = 10_000
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.ASCII)
_CONDITIONS = frozenset((b"if-none-match", b"if-modified-since", b"if-range", b"range"))
_CACHING = "public, max-age=31536000, immutable"


Header = tuple[bytes, bytes]


class PngAnswer(NamedTuple):
    """What is to be sent."""

    status: int
    headers: tuple[Header, ...]
    body: bytes
    error: str | None = None
    """The code of what went wrong, for the log."""


@dataclass(frozen=True, slots=True)
class _Kept:
    image: Image
    etag: str
    modified_at: int
    headers: tuple[Header, ...]
    whole: tuple[Header, ...]
    """The headers of the whole image, its length among them."""


class ImageFiles:
    """Answers `/images/{id}.png`: whole, in part, or not at all if the caller has it already."""

    def __init__(self, stills: Stills) -> None:
        self._stills = stills
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._bytes: OrderedDict[str, bytes] = OrderedDict()
        self._bytes_size = 0

    async def answer(self, method: str, path: str, headers: Sequence[Header]) -> PngAnswer:
        """Answer a GET or HEAD of `path`."""
        image_id = _id(path)
        try:
            kept = await self._find(image_id)
            if kept is None:
                return _refusal(not_found("There is no such image."))
            part = None
            if not _CONDITIONS.isdisjoint(name for name, _ in headers):
                asked = Headers(raw=list(headers))
                if _is_known(kept, asked):
                    return PngAnswer(304, kept.headers, b"")
                part = _wanted_part(kept, asked)
            if part is not None and method == "GET":
                return await self._answer_part(image_id, kept, *part)
            if method == "HEAD":
                if image_id not in self._bytes and not await self._stills.images.exists(kept.image):
                    raise self._lost(kept.image)
                return PngAnswer(200, kept.whole, b"")
            return PngAnswer(200, kept.whole, await self._read(image_id, kept.image))
        except StillsError as error:
            return _refusal(error_answer(error), error.code)

    async def _answer_part(self, image_id: str, kept: _Kept, first: int, end: int) -> PngAnswer:
        size = kept.image.rendition.byte_count
        if first >= end:
            told = (b"content-range", f"bytes */{size}".encode())
            return PngAnswer(416, (told, _length(0)), b"")
        data = await self._read(image_id, kept.image)
        told = (b"content-range", f"bytes {first}-{end - 1}/{size}".encode())
        piece = data[first:end]
        return PngAnswer(206, (*kept.headers, told, _length(len(piece))), piece)

    async def _find(self, image_id: str) -> _Kept | None:
        kept = self._kept.get(image_id)
        if kept is not None:
            self._kept.move_to_end(image_id)
            return kept
        image = await self._stills.images.find(image_id)
        if image is None:
            return None
        kept = _describe(image)
        self._kept[image_id] = kept
        if len(self._kept) > _IMAGES_MAX:
            self._kept.popitem(last=False)
        return kept

    async def _read(self, image_id: str, image: Image) -> bytes:
        data = self._bytes.get(image_id)
        if data is not None:
            self._bytes.move_to_end(image_id)
            return data
        data = await self._read_store(image)
        if image_id not in self._bytes:
            self._bytes[image_id] = data
            self._bytes_size += len(data)
        while self._bytes_size > _MEMORY_BYTES:
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
        self._kept.pop(image.rendition.id, None)  # it may be rendered anew, with other facts
        return ImageMissing("the store has lost this image, or has another in its place")


def is_png(path: str) -> bool:
    """Tell whether a path is of an image itself."""
    return path.startswith(_BEFORE) and path.endswith(_AFTER)


def _id(path: str) -> str:
    return path[len(_BEFORE) : -len(_AFTER)]


def _describe(image: Image) -> _Kept:
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
    written = tuple((header.encode(), value.encode()) for header, value in headers.items())
    whole = (*written, _length(rendition.byte_count))
    return _Kept(image, etag, modified_at, written, whole)


def _is_known(kept: _Kept, headers: Headers) -> bool:
    """Tell whether the caller has the image already (RFC 9110, section 13)."""
    known = headers.get("if-none-match")
    if known is not None:
        tags = [tag.strip().removeprefix("W/") for tag in known.split(",")]
        return known.strip() == "*" or kept.etag in tags
    since = _read_date(headers.get("if-modified-since"))
    return since is not None and kept.modified_at <= since


def _wanted_part(kept: _Kept, headers: Headers) -> tuple[int, int] | None:
    """Give the first byte wanted and the one after the last; None for the whole image.

    An empty part can't be had. More than one part, or a range that is none, gets it all.
    """
    match = _RANGE.fullmatch(headers.get("range", "").replace(" ", ""))
    if match is None or not _same(kept, headers.get("if-range")):
        return None
    size = kept.image.rendition.byte_count
    first, last = match.groups()
    if first:
        if last and int(last) < int(first):
            return None
        return int(first), min(size, int(last) + 1) if last else size
    if last:
        return max(0, size - int(last)), size
    return None


def _same(kept: _Kept, condition: str | None) -> bool:
    if condition is None or condition == kept.etag:
        return True
    return _read_date(condition) == kept.modified_at


def _read_date(written: str | None) -> int | None:
    if not written:
        return None
    try:
        return int(parsedate_to_datetime(written).timestamp())
    except (ValueError, TypeError, OverflowError):
        return None


def _length(byte_count: int) -> Header:
    return b"content-length", str(byte_count).encode()


def _refusal(response: Response, code: str | None = None) -> PngAnswer:
    headers = tuple(response.raw_headers)
    return PngAnswer(response.status_code, headers, bytes(response.body), code)
