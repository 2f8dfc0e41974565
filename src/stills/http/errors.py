"""Errors as answers: the one table of HTTP statuses, in the shape that OpenAI's clients read."""

import json
import math
from datetime import UTC, datetime, timedelta

from pydantic import BaseModel
from starlette.responses import Response

from stills.contract.errors import (
    REFERENCE_FORMS,
    AccessError,
    AnswerTimeout,
    Billing,
    BudgetExceeded,
    ContentRefused,
    DamagedImage,
    DeadlineExceeded,
    ImageMissing,
    InvalidRequest,
    KeyRefused,
    LimitError,
    LinkDead,
    LinkLost,
    ModelNotServed,
    RateLimited,
    ServiceError,
    ServiceUnavailable,
    ServiceUnreachable,
    StillsError,
    StorageError,
    ToolError,
)

STATUSES: dict[type[StillsError], int] = {
    # A branch comes after its leaves: the first that fits counts.
    InvalidRequest: 400,
    ContentRefused: 400,
    KeyRefused: 401,
    ModelNotServed: 404,
    AccessError: 502,  # this service's account with the provider, not the caller's key
    LimitError: 429,
    ServiceUnavailable: 503,
    ServiceUnreachable: 503,
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
_MONEY = {
    Billing.NONE: "",
    Billing.POSSIBLE: " It may have been billed.",
    Billing.BILLED: " It was billed.",
}
_PROVIDER_ACTION = "Tell whoever runs this service: its account with the provider needs care."
_STORAGE_ACTION = "Tell whoever runs this service; what was paid for is not lost."
_MISSING_ACTION = (
    "Tell whoever runs this service: its file has to be put back, or a new image paid for."
)
_AGAIN = "Ask again: what was paid for is downloaded free of charge."

# Where the error's own action names an option that a caller over HTTP does not have.
_ACTIONS: dict[type[StillsError], str] = {
    BudgetExceeded: (
        "A day's budget is new at midnight UTC; whoever runs this service can raise it, and has to "
        "say the price if it is unknown."
    ),
    DamagedImage: _AGAIN,
    DeadlineExceeded: "Ask again later, which may send and bill anew.",
    LinkDead: _AGAIN,
    LinkLost: "Tell whoever runs this service; to ask again is paid for again.",
    ModelNotServed: (
        "Choose another exact id of /v1/models; nothing was swapped, sent on or billed."
    ),
    ServiceUnreachable: "Ask again in a few minutes; nothing was sent.",
}
_GENERAL_ACTION = "Tell whoever runs this service."
_QUOTA_WAIT_SECONDS = 3600.0
_RATE_WAIT_SECONDS = 30.0


class ErrorDetail(BaseModel):
    """What went wrong. `code` is stable, for programs; `param` is the field to mend."""

    message: str
    type: str
    param: str | None
    code: str


class ErrorBody(BaseModel):
    """Every answer that is no success."""

    error: ErrorDetail


def error_answer(error: StillsError) -> Response:
    """Turn an error into an answer that shows no key, no path and no traceback."""
    status = status_of(error)
    message, action = error.message.rstrip("."), error.action
    if isinstance(error, AccessError) and status == STATUSES[AccessError]:
        message, action = "the provider refuses this service's account", _PROVIDER_ACTION
    elif isinstance(error, (StorageError, ToolError)):  # their words name files of this machine
        message = error.default_message().rstrip(".")
        action = _MISSING_ACTION if isinstance(error, ImageMissing) else _STORAGE_ACTION
    elif isinstance(error, (DamagedImage, LinkLost)) or error.names_options:
        action = _ACTIONS.get(type(error), _GENERAL_ACTION)  # theirs may say where bytes lie
    elif isinstance(error, InvalidRequest):
        action = action.replace(REFERENCE_FORMS, "an https URL or a data URL")
    headers = {"x-should-retry": "true" if error.can_repeat else "false"}
    if status == STATUSES[KeyRefused]:
        headers["WWW-Authenticate"] = "Bearer"
    if status == STATUSES[LimitError]:
        headers["Retry-After"] = str(math.ceil(_wait_seconds(error)))
    return problem(
        status,
        f"{message}.{_MONEY[error.billing]} {action}",
        code=error.code,
        param=error.field if isinstance(error, InvalidRequest) else None,
        headers=headers,
    )


def problem(
    status: int,
    message: str,
    *,
    code: str,
    param: str | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    """Write an answer in the shape of OpenAI's errors."""
    told = ErrorDetail(message=message, type=_TYPES.get(status, _SERVER), param=param, code=code)
    # What a stranger sent may have half a surrogate pair in it, which no answer can carry.
    written = json.dumps(ErrorBody(error=told).model_dump(), ensure_ascii=True)
    return Response(
        written,
        status_code=status,
        headers={"x-should-retry": "false", **(headers or {})},
        media_type="application/json",
    )


def not_found(message: str) -> Response:
    """Say that there is no such thing here."""
    return problem(404, message, code="not_found")


def unexpected() -> Response:
    """Say that this is our fault, and no more: the log has the rest."""
    return problem(
        500,
        "Something failed in this service; its log says what. Ask again.",
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
