"""Errors as answers: one table of HTTP statuses, one of advice, in the shape of OpenAI's errors."""

import json
import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from pydantic import BaseModel
from starlette.responses import Response

from stills.contract.errors import (
    AccessError,
    AnswerTimeout,
    Billing,
    BudgetExceeded,
    ConfigError,
    Conflict,
    ContentRefused,
    DeadlineExceeded,
    ImageMissing,
    KeyRefused,
    LimitError,
    ModelNotServed,
    NotFound,
    RateLimited,
    Remedy,
    ServiceError,
    ServiceUnavailable,
    ServiceUnreachable,
    StillsError,
    StorageError,
    TaskRunning,
    ToolError,
    UsageError,
)
from stills.service.deletion import NotPayer

STATUSES: dict[type[StillsError], int] = {
    # Leaves come before their branch: the first match counts.
    ConfigError: 500,
    NotFound: 404,
    Conflict: 409,
    UsageError: 400,
    ContentRefused: 400,
    NotPayer: 403,
    KeyRefused: 401,
    ModelNotServed: 404,
    AccessError: 502,  # this service's account with the provider, not the caller's key
    LimitError: 429,
    ServiceUnavailable: 503,
    ServiceUnreachable: 503,
    TaskRunning: 504,
    AnswerTimeout: 504,
    DeadlineExceeded: 504,
    ServiceError: 502,
    ImageMissing: 410,
    StorageError: 500,
    ToolError: 500,
    StillsError: 500,
}

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "invalid_request_error",
    405: "invalid_request_error",
    409: "invalid_request_error",
    410: "invalid_request_error",
    413: "invalid_request_error",
    415: "invalid_request_error",
    429: "rate_limit_error",
}
_SERVER = "server_error"
_REFUSED_TYPE = "image_generation_user_error"
_REFUSED_CODE = "moderation_blocked"
_MONEY = {
    Billing.NONE: "",
    Billing.POSSIBLE: " It may have been billed.",
    Billing.BILLED: " It was billed.",
}
_OPERATOR = "Contact the operator of this service"
ACTIONS: dict[Remedy, str] = {
    Remedy.FIX_REQUEST: "Fix the request; nothing was sent.",
    Remedy.GIVE_REFERENCE: (
        "Give an https URL or a data URL of a PNG, JPEG, WebP, GIF, BMP or TIFF."
    ),
    Remedy.FIX_CONFIG: f"{_OPERATOR}: a setting must be fixed.",
    Remedy.USE_KNOWN_ID: "Use an id that /v1/images lists.",
    Remedy.USE_NEW_NAME: "Choose another name; nothing was changed.",
    Remedy.SEND_KEY: (
        "Send `Authorization: Bearer KEY` with a key from the operator of this service, who "
        "creates keys with `stills keys add`."
    ),
    Remedy.SET_KEY: f"{_OPERATOR}: it has no key for the provider.",
    Remedy.FIX_ACCOUNT: f"{_OPERATOR}: its account with the provider needs attention.",
    Remedy.CHOOSE_MODEL: (
        "Choose another exact id from /v1/models; Stills did not fall back to another model, and "
        "nothing was billed."
    ),
    Remedy.SLOW_DOWN: "Retry later or slower; a refused call is not billed.",
    Remedy.RAISE_QUOTA: f"{_OPERATOR}, who can raise the quota; a refused call is not billed.",
    Remedy.RAISE_CAP: (
        "A daily budget starts again at midnight UTC; the operator of this service can raise it, "
        "and must set the price if it is unknown."
    ),
    Remedy.REPHRASE: (
        "Rephrase the prompt: the same words will fail again. A call without an image is not "
        "billed."
    ),
    Remedy.RETRY_LATER: "Retry in a few minutes; a failed call is not billed.",
    Remedy.ALLOW_TIME: (
        "Retry later; if no image is stored yet, this may send a call, which is billed."
    ),
    Remedy.RETRY_FREE: "Retry: the image that was billed is finished free of charge.",
    Remedy.CONTINUE: (
        "Repeat the same request: it waits for this image, and no other call is sent or billed."
    ),
    Remedy.RETRY_MAY_BILL_TWICE: "A retry sends another call, and both may be billed.",
    Remedy.PAY_AGAIN: f"{_OPERATOR}; a retry is billed again.",
    Remedy.RESTORE_IMAGE: f"{_OPERATOR}: restore the file, or pay for a new image.",
    Remedy.FIX_STORAGE: f"{_OPERATOR}; what was paid for is not lost.",
    Remedy.FIX_TOOL: f"{_OPERATOR}; what was paid for is not lost.",
    Remedy.CHECK_SERVICE: (
        f"{_OPERATOR}: the provider's rules may have changed. A refused call is not billed."
    ),
    Remedy.REPORT: f"{_OPERATOR}.",
}
"""What a caller over HTTP can do, who sets no option and no variable of this machine."""

_QUOTA_WAIT_SECONDS = 3600.0
_RATE_WAIT_SECONDS = 30.0


class ErrorDetail(BaseModel):
    """What went wrong. `code` is stable, for programs; `param` is the field to fix.

    `stills_code` is our own code, if `code` is the one that OpenAI's clients look for.
    """

    message: str
    type: str
    param: str | None
    code: str
    stills_code: str | None = None


class ErrorBody(BaseModel):
    """The body of every answer that is not a success."""

    error: ErrorDetail


def error_answer(error: StillsError, *, in_openai_shape: bool = False) -> Response:
    """Turn an error into an answer that shows no key, no path and no traceback.

    `in_openai_shape` is whether refused content has OpenAI's type and code.
    """
    status = status_of(error)
    headers = {"x-should-retry": "true" if error.can_repeat else "false"}
    if status == STATUSES[KeyRefused]:
        headers["WWW-Authenticate"] = "Bearer"
    if status == STATUSES[LimitError]:
        headers["Retry-After"] = str(math.ceil(_wait_seconds(error)))
    detail = ErrorDetail(
        message=describe(error),
        type=_TYPES.get(status, _SERVER),
        param=error.field if isinstance(error, UsageError) else None,
        code=error.code,
    )
    if in_openai_shape and isinstance(error, ContentRefused):
        refused = {"type": _REFUSED_TYPE, "code": _REFUSED_CODE, "stills_code": error.code}
        detail = detail.model_copy(update=refused)
    return _answer(status, detail, headers)


def describe(error: StillsError) -> str:
    """Say what happened, what it means for money, and what to do, in words fit for anyone."""
    message = error.public_message.rstrip(".")
    action = error.public_action or ACTIONS[error.remedy]
    return f"{message}.{_MONEY[error.billing]} {action}"


def problem(
    status: int,
    message: str,
    *,
    code: str,
    param: str | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    """Make an answer in the shape of OpenAI's errors."""
    detail = ErrorDetail(message=message, type=_TYPES.get(status, _SERVER), param=param, code=code)
    return _answer(status, detail, headers or {})


def _answer(status: int, detail: ErrorDetail, headers: Mapping[str, str]) -> Response:
    # A request may contain half a surrogate pair, which UTF-8 can't encode.
    body = json.dumps({"error": detail.model_dump(exclude_unset=True)}, ensure_ascii=True)
    return Response(
        body,
        status_code=status,
        headers={"x-should-retry": "false", **headers},
        media_type="application/json",
    )


def not_found(message: str) -> Response:
    """Answer that nothing is at this address."""
    return problem(404, message, code="not_found")


def wrong_method(methods: Iterable[str]) -> Response:
    """Answer that this address supports only these methods."""
    names = sorted({*methods, "OPTIONS"})
    message = f"This address supports only {', '.join(names)}."
    return problem(405, message, code="not_served", headers={"Allow": ", ".join(names)})


def list_methods(methods: Iterable[str]) -> Response:
    """Answer OPTIONS with the methods that this address supports."""
    return Response(status_code=204, headers={"Allow": ", ".join(sorted({*methods, "OPTIONS"}))})


def unexpected() -> Response:
    """Answer that the service failed, without details: they are in the log."""
    return problem(
        500,
        "Something failed in this service; its log has the details. Retry later.",
        code="error",
        headers={"x-should-retry": "true"},
    )


def status_of(error: StillsError) -> int:
    """Look up the HTTP status of an error."""
    return next(status for kind, status in STATUSES.items() if isinstance(error, kind))


def _wait_seconds(error: StillsError) -> float:
    if isinstance(error, RateLimited):
        return max(1.0, error.retry_after_seconds or _RATE_WAIT_SECONDS)
    if isinstance(error, BudgetExceeded):
        now = datetime.now(UTC)
        midnight = datetime(now.year, now.month, now.day, tzinfo=UTC) + timedelta(days=1)
        return (midnight - now).total_seconds()
    return _QUOTA_WAIT_SECONDS
