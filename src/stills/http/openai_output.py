"""How OpenAI's clients want their images returned: as URLs or bytes, and in which format."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from stills.contract.errors import InvalidRequest
from stills.contract.image_kinds import ImageKind

OUTPUT_FIELDS = ("response_format", "output_format", "output_compression", "stream")
FORMATS = {"png": ImageKind.PNG, "webp": ImageKind.WEBP, "jpeg": ImageKind.JPEG}
QUALITY_DEFAULT = 100
"""OpenAI's default of output_compression, which is a quality in percent."""


class ResponseFormat(StrEnum):
    """How an image is returned; BOTH if neither the request nor its model says."""

    URL = "url"
    B64_JSON = "b64_json"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Output:
    """How images are returned, and the fields that have no effect on it.

    `quality` is from 0 to 100, for JPEG and WebP. The file at a URL is always the stored PNG.
    `streams` is whether the answer is a stream of events.
    """

    response_format: ResponseFormat = ResponseFormat.BOTH
    format: str = "png"
    quality: int = QUALITY_DEFAULT
    streams: bool = False
    ignored: tuple[str, ...] = ()

    @property
    def kind(self) -> ImageKind:
        """The kind of the bytes."""
        return FORMATS[self.format]


def read_output(fields: Mapping[str, Any], *, only_bytes: bool) -> Output:
    """Read the fields; `only_bytes` is whether the bytes are returned if the request does not say.

    Raises:
        InvalidRequest: a field has another value.
    """
    wanted, quality = fields.get("output_format", "png"), _quality(fields.get("output_compression"))
    if not isinstance(wanted, str) or wanted not in FORMATS:
        raise InvalidRequest(
            "output_format is neither png, webp nor jpeg",
            field="output_format",
            action="Use one of the three, or omit it to get a PNG.",
        )
    is_png = FORMATS[wanted] is ImageKind.PNG
    streams = _streams(fields.get("stream"))
    response_format = _response_format(fields.get("response_format"))
    if streams and response_format is ResponseFormat.URL:
        raise InvalidRequest(
            "response_format is url, but the events of a stream have only b64_json",
            field="response_format",
            action="Leave out response_format or stream.",
        )
    if response_format is ResponseFormat.BOTH and (only_bytes or streams or not is_png):
        response_format = ResponseFormat.B64_JSON
    if response_format is ResponseFormat.URL:
        names = ("output_compression",) if is_png else ("output_format", "output_compression")
        return Output(response_format, ignored=tuple(name for name in names if name in fields))
    ignored = ("output_compression",) if is_png and "output_compression" in fields else ()
    return Output(response_format, wanted, quality, streams, ignored)


def _response_format(value: object) -> ResponseFormat:
    if value is None:
        return ResponseFormat.BOTH
    if value not in ("url", "b64_json"):
        raise InvalidRequest(
            "response_format is neither url nor b64_json",
            field="response_format",
            action="Use one of the two, or omit it to get both.",
        )
    return ResponseFormat(value)


def _streams(value: object) -> bool:
    if value is None:
        return False
    if not isinstance(value, bool):
        raise InvalidRequest(
            "stream is neither true nor false",
            field="stream",
            action="Send true to get events, or omit it.",
        )
    return value


def _quality(value: object) -> int:
    if value is None:
        return QUALITY_DEFAULT
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 100:  # noqa: PLR2004 - percent
        raise InvalidRequest(
            "output_compression is out of range",
            field="output_compression",
            action="Use a whole number from 0, the smallest file, to 100, the best quality.",
        )
    return value
