"""Reading the service's answers: an image's URL, or an error."""

import json
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

from stills.contract.errors import (
    AccessDenied,
    Billing,
    InvalidReference,
    ModelNotServed,
    NoImage,
    RateLimited,
    RequestRejected,
    ServiceUnavailable,
    StillsError,
    UnexpectedAnswer,
    WrongKey,
)
from stills.contract.generation import ProviderAnswer
from stills.provider.error_codes import SCALE_ACTION, find_meaning

LINK_LIFE_SECONDS = 24 * 3600.0

_ERRORS_BY_STATUS: dict[int, type[StillsError]] = {
    400: RequestRejected,
    401: WrongKey,
    403: AccessDenied,
    413: RequestRejected,
}


@dataclass(frozen=True, slots=True)
class Exchange:
    """The raw response to one call."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def read_answer(exchange: Exchange, *, model: str, key: str, has_reference: bool) -> ProviderAnswer:
    """Return the URLs of an answer's images.

    Raises:
        StillsError: the answer has no image; class and `billing` say why.
    """
    content = parse(exchange.body)
    request_id = redact(text_of(content.get("request_id")), key) or None
    urls = _image_urls(content) if exchange.status == HTTPStatus.OK else ()
    if urls:
        return ProviderAnswer(urls[0], min(map(_expires_at, urls)), request_id, urls[1:])
    code, message = (redact(text, key) for text in _read_refusal(content))
    if code:
        error = _refusal(exchange, code, message, model=model, has_reference=has_reference)
    elif HTTPStatus.OK <= exchange.status < HTTPStatus.MULTIPLE_CHOICES:
        error = _error_without_image(exchange.status, content)
    else:
        error = _error_without_code(exchange, message, has_reference=has_reference)
    raise error.with_(request_id=request_id)


def read_image_count(content: Mapping[str, Any]) -> int | None:
    """Return how many images an answer counts as made, so as billed; None if it does not say.

    Models of version 3.0 call it `output_image_count`.
    """
    usage = content.get("usage")
    counts = usage if isinstance(usage, dict) else {}
    for name in ("output_image_count", "image_count"):
        if type(counts.get(name)) is int:
            return int(counts[name])
    return None


def redact(text: str, key: str) -> str:
    """Remove keys and control characters from an external text, and shorten it."""
    text = text.replace(key, "***") if key else text
    text = re.sub(r"\bsk-[A-Za-z0-9_-]{6,}", "sk-***", text)
    printable = "".join(character if character.isprintable() else " " for character in text)
    return printable[:300].strip()


def _read_refusal(content: Mapping[str, Any]) -> tuple[str, str]:
    """Return code and message, also from the OpenAI-compatible endpoint's `error` object."""
    error = content.get("error")
    if isinstance(error, dict):
        return text_of(error.get("code")) or text_of(error.get("type")), text_of(
            error.get("message")
        )
    return text_of(content.get("code")), text_of(content.get("message"))


def _refusal(
    exchange: Exchange, code: str, message: str, *, model: str, has_reference: bool
) -> StillsError:
    """Make the error for a refusal by the service itself: no image was generated."""
    meaning = find_meaning(code, exchange.status, message)
    said = f"{code}: {message}" if message else code
    kind = meaning.error
    if kind is InvalidReference and not has_reference:
        return RequestRejected(_describe(RequestRejected, said))
    if kind is InvalidReference:
        summary = f"{meaning.message} ({said})"
        return InvalidReference(summary, field="reference_image", action=meaning.action)
    if kind is ModelNotServed:
        return ModelNotServed(f"{model} is not served ({said})")
    summary = f"{meaning.message} ({said})" if meaning.message else _describe(kind, said)
    if kind is RateLimited:
        wait_seconds = _retry_after_seconds(exchange.headers)
        return RateLimited(summary, retry_after_seconds=wait_seconds)
    return kind(summary, action=meaning.action)


def _error_without_image(status: int, content: Mapping[str, Any]) -> StillsError:
    """Make the error for a success without an image; an unreadable one may have had an image."""
    count = read_image_count(content)
    if count:
        return UnexpectedAnswer(
            f"the service's answer has no image, but counts {count} as made",
            billing=Billing.BILLED,
            action="Report it to the service with the request id; a retry is billed again.",
        )
    if isinstance(content.get("output"), dict):
        return NoImage()
    return UnexpectedAnswer(
        f"the service's answer ({status}) is neither an image nor an error",
        billing=Billing.POSSIBLE,
    )


def _error_without_code(exchange: Exchange, message: str, *, has_reference: bool) -> StillsError:
    """Make the error for a failure without a code, often from a gateway.

    A gateway in front of the service can't know whether an image was generated. Only 503, 429 and
    other statuses below 500 mean that it passed nothing on.
    """
    status = exchange.status
    said = f"{status}: {message}" if message else str(status)
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE and has_reference:
        return InvalidReference(
            f"the reference is too large for the service ({said})",
            field="reference_image",
            action=SCALE_ACTION,
        )
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        return ServiceUnavailable(f"a gateway in front of the service is overloaded ({said})")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return ServiceUnavailable(
            f"a gateway in front of the service failed ({said})",
            billing=Billing.POSSIBLE,
        )
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        wait_seconds = _retry_after_seconds(exchange.headers)
        return RateLimited(_describe(RateLimited, said), retry_after_seconds=wait_seconds)
    # Without a code, 404 means a wrong base URL, not an unknown model.
    kind = _ERRORS_BY_STATUS.get(status, UnexpectedAnswer)
    return kind(_describe(kind, said))


def _describe(kind: type[StillsError], said: str) -> str:
    return f"{kind.default_message().rstrip('.')} ({said})"


def parse(body: bytes) -> dict[str, Any]:
    """Return the JSON object of a body, empty if it has none."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def text_of(value: object) -> str:
    """Return the value as text, or an empty text if there is no value."""
    return value if isinstance(value, str) else ""


def _image_urls(content: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the images of all choices: several images may come as one choice or as several."""
    try:
        choices = list(content["output"]["choices"])
    except (KeyError, TypeError):
        return ()
    urls: list[object] = []
    for choice in choices:
        with suppress(KeyError, TypeError):
            urls += [part["image"] for part in choice["message"]["content"] if "image" in part]
    return tuple(url for url in urls if isinstance(url, str) and url and url.isprintable())


def _expires_at(url: str) -> float:
    """Return when a signed link expires, in Unix seconds; 24 hours from now if it doesn't say."""
    latest = time.time() + LINK_LIFE_SECONDS
    try:
        signed_until = float(parse_qs(urlsplit(url).query)["Expires"][0])
    except (KeyError, ValueError):
        return latest
    return min(latest, signed_until)  # in this order NaN returns `latest`


def _retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """Read Retry-After as seconds or an HTTP date; at most an hour."""
    written = next((v for k, v in headers.items() if k.lower() == "retry-after"), None)
    if written is None:
        return None
    try:
        seconds = float(written)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(written).timestamp() - time.time()
        except ValueError:
            return None
    return min(max(seconds, 0.0), 3600.0) if seconds == seconds else None  # noqa: PLR0124 - NaN
