"""Read the service's answers: an image's address, or the one error that says what happened.

Codes and statuses are those of Model Studio's error-code page.
"""

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

from stills.contract.errors import (
    AccessDenied,
    AccountOverdue,
    Billing,
    ContentRefused,
    ModelNotServed,
    NoImage,
    QuotaExhausted,
    RateLimited,
    RequestRejected,
    ServiceUnavailable,
    StillsError,
    UnexpectedAnswer,
    WrongKey,
)
from stills.contract.generation import Answer
from stills.contract.models import MODELS

LINK_LIFE_SECONDS = 24 * 3600.0

_BY_CODE: dict[str, type[StillsError]] = {
    "InvalidParameter": RequestRejected,
    "DataInspectionFailed": ContentRefused,
    "Arrearage": AccountOverdue,
    "InvalidApiKey": WrongKey,
    "AccessDenied": AccessDenied,
    "Model.AccessDenied": AccessDenied,
    "ModelNotFound": ModelNotServed,
    "Throttling": RateLimited,
    "Throttling.AllocationQuota": QuotaExhausted,
    "insufficient_quota": QuotaExhausted,
    "InternalError": ServiceUnavailable,
    "ServiceUnavailable": ServiceUnavailable,
    "RequestTimeOut": ServiceUnavailable,
}
_BY_STATUS: dict[int, type[StillsError]] = {
    400: RequestRejected,
    401: WrongKey,
    403: AccessDenied,
    404: ModelNotServed,
    429: RateLimited,
}


@dataclass(frozen=True, slots=True)
class Exchange:
    """What came back for one send, as it came."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def read_answer(exchange: Exchange, *, model: str, key: str) -> Answer:
    """Find the image's address in an answer.

    Raises:
        StillsError: there is none; which error says why.
    """
    content = _parse(exchange.body)
    request_id = redact(_text(content.get("request_id")), key) or None
    code = redact(_text(content.get("code")), key)
    if exchange.status == HTTPStatus.OK and not code:
        url = _image_url(content)
        if url is not None:
            return Answer(url, _expires_at(url), request_id)
        if isinstance(content.get("output"), dict):
            raise NoImage(request_id=request_id)
        raise UnexpectedAnswer(
            "the service's answer is no image and no error",
            billing=Billing.POSSIBLE,
            request_id=request_id,
        )
    raise _error(exchange, code, redact(_text(content.get("message")), key), model, request_id)


def redact(text: str, key: str) -> str:
    """Take keys and control characters out of a text that came from outside; shorten it."""
    text = text.replace(key, "***") if key else text
    text = re.sub(r"\bsk-[A-Za-z0-9_-]{6,}", "sk-***", text)
    printable = "".join(character if character.isprintable() else " " for character in text)
    return printable[:300].strip()


def _error(
    exchange: Exchange, code: str, message: str, model: str, request_id: str | None
) -> StillsError:
    kind = _kind(exchange.status, code)
    said = f"{code or exchange.status}: {message}" if message else code or str(exchange.status)
    summary = (kind.__doc__ or "").splitlines()[0].rstrip(".")
    if kind is RateLimited:
        return RateLimited(
            f"{summary} ({said})",
            retry_after_seconds=_retry_after_seconds(exchange.headers),
            request_id=request_id,
        )
    if kind is ModelNotServed:
        known = MODELS.get(model)
        retired = f"; notices retire it on {known.retired_on}" if known and known.retired_on else ""
        successor = f"; {known.successor} follows it" if known and known.successor else ""
        return ModelNotServed(
            f"{model} is not served here{retired}{successor} ({said})", request_id=request_id
        )
    if kind is ServiceUnavailable and not code:
        # Not the service's own words: what stands before it can't know whether an image was made.
        return ServiceUnavailable(
            f"a gateway before the service failed ({exchange.status})",
            action="Ask again in a few minutes; what was sent may be billed and is on the ledger.",
            billing=Billing.POSSIBLE,
            request_id=request_id,
        )
    return kind(f"{summary} ({said})", request_id=request_id)


def _kind(status: int, code: str) -> type[StillsError]:
    by_code = _BY_CODE.get(code) or _BY_CODE.get(code.split(".", maxsplit=1)[0])
    if by_code is not None:
        return by_code
    if status == HTTPStatus.NOT_FOUND and not code:
        return UnexpectedAnswer  # not the service's words: the address is wrong, not the model
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return ServiceUnavailable
    return _BY_STATUS.get(status, UnexpectedAnswer)


def _parse(body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _image_url(content: Mapping[str, Any]) -> str | None:
    try:
        parts = content["output"]["choices"][0]["message"]["content"]
        urls = [part["image"] for part in parts if "image" in part]
    except (KeyError, IndexError, TypeError):
        return None
    url = urls[0] if urls else None
    return url if isinstance(url, str) and url and url.isprintable() else None


def _expires_at(url: str) -> float:
    """Read when a signed link dies, Unix seconds; by the documentation, 24 hours from now."""
    latest = time.time() + LINK_LIFE_SECONDS
    try:
        signed_until = float(parse_qs(urlsplit(url).query)["Expires"][0])
    except (KeyError, ValueError):
        return latest
    return min(latest, signed_until)  # in this order NaN gives `latest`


def _retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """Read Retry-After in either of its forms, seconds or an HTTP date; at most an hour."""
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
