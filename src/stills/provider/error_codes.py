"""What the service's error codes mean, with sources.

[E] Model Studio's error-code page (help.aliyun.com/zh/model-studio/error-code) as of December 2025.
[W] Seen on the wire and reported by users of other clients; second-hand.

A code says more than an HTTP status: overdue accounts get 400 or 429, unknown models 400 or 404.
"""

from http import HTTPStatus
from typing import NamedTuple

from stills.contract.errors import (
    AccessDenied,
    AccountOverdue,
    ContentRefused,
    InvalidReference,
    ModelNotServed,
    QuotaExhausted,
    RateLimited,
    RequestRejected,
    ServiceUnavailable,
    StillsError,
    UnexpectedAnswer,
    WrongKey,
)


class Meaning(NamedTuple):
    """What a code means. `message` and `action` are set if those of the error are too general.

    A meaning with `saying` only applies to messages that contain it, in lower case.
    """

    code: str
    error: type[StillsError]
    message: str = ""
    action: str = ""
    saying: str = ""


_UNFETCHED = "the service could not download the reference"
_UNREADABLE = "the service can't read the reference"
_TOO_LARGE = "the reference is too large for the service"
_NO_WORKSPACE = "the key has no access to the workspace"
_FREE_TIER_USED = "the model's free tier is used up"

_FETCH = "Check that its URL is public, or send the image itself; nothing was billed."
_REPLACE = "Send it as a PNG, JPEG or WebP of ordinary size and shape; nothing was billed."
SCALE_ACTION = "Scale it down: 2048 pixels per side are enough; nothing was billed."
_WORKSPACE = (
    "Use a key of that workspace with the workspace's own base URL in DASHSCOPE_HTTP_BASE_URL; "
    "nothing was billed."
)
_FREE_TIER = (
    'Turn off "free tier only" in the Model Studio console to pay for this model, or choose '
    "another; nothing was billed."
)
_ACTIVATE = "Activate Model Studio for this workspace in its console; nothing was billed."

# A row covers every code that starts with its own: Throttling covers Throttling.BurstRate. Case,
# dots and underscores are ignored, so it covers the snake_case form too. If several rows match, the
# longest code wins, and then the row with `saying`.
_TABLE = (
    # The request [E]
    Meaning("InvalidParameter", ModelNotServed, saying="model not exist"),  # [W]
    Meaning("InvalidParameter", RequestRejected),
    # The reference [E]
    Meaning("InvalidParameter.DataInspection", InvalidReference, _UNFETCHED, _FETCH),
    Meaning("InvalidURL", InvalidReference, _UNFETCHED, _FETCH),
    Meaning("InvalidFile.DownloadFailed", InvalidReference, _UNFETCHED, _FETCH),
    Meaning("BadRequest.InputDownloadFailed", InvalidReference, _UNFETCHED, _FETCH),
    Meaning("BadRequest.UnsupportedFileFormat", InvalidReference, _UNREADABLE, _REPLACE),
    Meaning("BadRequest.TooLarge", InvalidReference, _TOO_LARGE, SCALE_ACTION),
    Meaning("InvalidFile", InvalidReference, _UNREADABLE, _REPLACE),
    Meaning("InvalidImage", InvalidReference, _UNREADABLE, _REPLACE),
    # The content filter [E]
    Meaning("DataInspectionFailed", ContentRefused),
    Meaning("IPInfringementSuspect", ContentRefused),
    Meaning("FaqRuleBlocked", ContentRefused),
    Meaning("CustomRoleBlocked", ContentRefused),
    # The account: waiting does not help, whatever the status is [E]
    Meaning("InvalidApiKey", WrongKey),
    Meaning("Arrearage", AccountOverdue),
    Meaning("PrepaidBillOverdue", AccountOverdue),
    Meaning("PostpaidBillOverdue", AccountOverdue),
    Meaning("CommodityNotPurchased", AccessDenied, "Model Studio is not activated", _ACTIVATE),
    Meaning("AccessDenied", AccessDenied),
    Meaning("Model.AccessDenied", AccessDenied),
    Meaning("Workspace.AccessDenied", AccessDenied, _NO_WORKSPACE, _WORKSPACE),
    Meaning("WorkSpaceNotFound", AccessDenied, _NO_WORKSPACE, _WORKSPACE),
    Meaning("AllocationQuota.FreeTierOnly", QuotaExhausted, _FREE_TIER_USED, _FREE_TIER),
    Meaning("ModelNotFound", ModelNotServed),
    Meaning("model_not_supported", ModelNotServed),
    # Limits: the allocated quota is of tokens per minute, so waiting helps, except for the free
    # tier's [E]
    Meaning("Throttling", RateLimited),
    Meaning(
        "Throttling.AllocationQuota", QuotaExhausted, _FREE_TIER_USED, _FREE_TIER, "free allocated"
    ),
    Meaning("insufficient_quota", QuotaExhausted, _FREE_TIER_USED, _FREE_TIER, "free allocated"),
    Meaning("insufficient_quota", RateLimited),
    Meaning("limit_requests", RateLimited),
    Meaning("limit_burst_rate", RateLimited),
    # The service failed, and says so itself: no image was generated [E]
    Meaning("InternalError", ServiceUnavailable),
    Meaning("ServiceUnavailable", ServiceUnavailable),
    Meaning("RequestTimeOut", ServiceUnavailable),
)

# For codes that are not in the table.
_BY_STATUS: dict[int, type[StillsError]] = {
    400: RequestRejected,
    401: WrongKey,
    403: AccessDenied,
    404: ModelNotServed,
    429: RateLimited,
}
_WRAPPER = "InternalError.Algo."
"""The model's own refusals can have this prefix, as in InternalError.Algo.InvalidParameter."""


def find_meaning(code: str, status: int, message: str) -> Meaning:
    """Look up what a code means, given its status and message."""
    folded = _fold(code.removeprefix(_WRAPPER))
    matching = [
        row
        for row in _TABLE
        if folded.startswith(_fold(row.code)) and row.saying in message.lower()
    ]
    meaning = max(matching, key=lambda row: (len(_fold(row.code)), bool(row.saying)), default=None)
    is_client_error = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
    if meaning is not None and not (is_client_error and meaning.error is ServiceUnavailable):
        return meaning
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Meaning(code, ServiceUnavailable)
    return Meaning(code, _BY_STATUS.get(status, UnexpectedAnswer))


def _fold(code: str) -> str:
    return code.replace(".", "").replace("_", "").lower()
