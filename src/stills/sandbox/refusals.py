"""Refusals on demand, in the service's words.

Statuses, codes and messages are from Alibaba's error-code page (December 2025), in both forms: the
service's own envelope, and the OpenAI-compatible one with snake_case codes.
"""

import re
from dataclasses import dataclass

from stills.sandbox.errors import Refusal, model_retired, throttled
from stills.sandbox.faults import Fault, FaultKind
from stills.sandbox.rules import AcceptedRequest


@dataclass(frozen=True)
class _Words:
    status: int
    code: str
    message: str


_WORDS = {
    FaultKind.TOKENS_THROTTLED: _Words(
        429, "Throttling.AllocationQuota", "Allocated quota exceeded, please increase your quota."
    ),
    FaultKind.QUOTA_EXHAUSTED: _Words(
        429, "Throttling.AllocationQuota", "Free allocated quota exceeded."
    ),
    FaultKind.FREE_TIER_USED: _Words(
        403,
        "AllocationQuota.FreeTierOnly",
        "The free tier of the model has been exhausted. If you wish to continue access the model "
        'on a paid basis, please disable the "use free tier only" mode in the management console.',
    ),
    FaultKind.PREPAID_OVERDUE: _Words(429, "PrepaidBillOverdue", "The prepaid bill is overdue."),
    FaultKind.POSTPAID_OVERDUE: _Words(429, "PostpaidBillOverdue", "The postpaid bill is overdue."),
    FaultKind.NOT_PURCHASED: _Words(
        429, "CommodityNotPurchased", "Commodity has not purchased yet."
    ),
    FaultKind.WORKSPACE_DENIED: _Words(403, "Workspace.AccessDenied", "Workspace access denied."),
    FaultKind.INTERNAL_ERROR: _Words(
        500, "InternalError", "An internal error has occurred, please try again later."
    ),
    FaultKind.UNAVAILABLE: _Words(
        503, "ServiceUnavailable", "The service is unavailable, please try again later."
    ),
    FaultKind.ERROR_IN_200: _Words(
        200, "InternalError", "An internal error has occurred, please try again later."
    ),
    FaultKind.CONTENT_REFUSED: _Words(
        400, "DataInspectionFailed", "Input data may contain inappropriate content."
    ),
    FaultKind.IP_INFRINGEMENT: _Words(
        400,
        "IPInfringementSuspect",
        "Input data is suspected of being involved in IP infringement.",
    ),
    FaultKind.FAQ_BLOCKED: _Words(
        400, "FaqRuleBlocked", "Input or output data is blocked by faq rule."
    ),
    FaultKind.REFERENCE_NOT_INSPECTED: _Words(
        400,
        "InvalidParameter.DataInspection",
        "Unable to download the media resource during the data inspection process.",
    ),
    FaultKind.REFERENCE_URL_INVALID: _Words(
        400,
        "InvalidURL",
        "The request URL is invalid, make sure the url is correct and is an image.",
    ),
    FaultKind.REFERENCE_NOT_DOWNLOADED: _Words(
        400, "InvalidFile.DownloadFailed", "Failed to download the file."
    ),
    FaultKind.REFERENCE_UNREADABLE: _Words(
        400,
        "InvalidImage.FileFormat",
        "Invalid image type. Please ensure the uploaded file is a valid image.",
    ),
    FaultKind.TASK_QUERY_UNAVAILABLE: _Words(
        503, "ServiceUnavailable", "The service is unavailable, please try again later."
    ),
    FaultKind.MODEL_NOT_EXIST: _Words(400, "InvalidParameter", "Model not exist."),
}

# Compatible codes that are not just the snake_case form.
_COMPATIBLE_CODES = {
    "InvalidParameter": "invalid_parameter_error",
    "Throttling.RateQuota": "limit_requests",
    "Throttling.AllocationQuota": "insufficient_quota",
}


def find_refusal(fault: Fault, accepted: AcceptedRequest) -> Refusal | None:
    """Return a fault's refusal, or None if the fault is another kind of failure."""
    if fault.kind in {FaultKind.THROTTLED, FaultKind.TASK_QUERY_THROTTLED}:
        error = throttled(fault.retry_after_seconds)
    elif fault.kind is FaultKind.RETIRED_MODEL:
        error = model_retired(accepted.model)
    elif fault.kind in _WORDS:
        words = _WORDS[fault.kind]
        error = Refusal(
            words.status,
            words.code,
            words.message,
            retry_after_seconds=fault.retry_after_seconds,
        )
    else:
        return None
    return as_compatible(error) if fault.compatible else error


def as_compatible(error: Refusal) -> Refusal:
    """Return a refusal as the OpenAI-compatible endpoint writes it."""
    return Refusal(
        error.status,
        _compatible_code(error.code),
        error.message,
        retry_after_seconds=error.retry_after_seconds,
        compatible=True,
    )


def _compatible_code(code: str) -> str:
    """Return a code as the OpenAI-compatible endpoint writes it."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", code)
    return _COMPATIBLE_CODES.get(code) or words.replace(".", "_").lower()
