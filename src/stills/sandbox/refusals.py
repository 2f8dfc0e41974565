"""What the service answers instead of an image: each refusal on demand, in the service's words.

Statuses, codes and messages are those of Alibaba's error-code page (December 2025), in both forms:
its own envelope, and the OpenAI-compatible one with snake_case codes.
"""

import re
from dataclasses import dataclass

from stills.sandbox.errors import ServiceError, model_retired, throttled
from stills.sandbox.faults import Fault, FaultKind
from stills.sandbox.rules import Order


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
    FaultKind.MODEL_NOT_EXIST: _Words(400, "InvalidParameter", "Model not exist."),
}

# Where the compatible code is more than the first one in snake_case.
_TWINS = {
    "InvalidParameter": "invalid_parameter_error",
    "Throttling.RateQuota": "limit_requests",
    "Throttling.AllocationQuota": "insufficient_quota",
}


def find_refusal(fault: Fault, order: Order) -> ServiceError | None:
    """Return the refusal that a fault shows; None if it shows another kind of failure."""
    if fault.kind is FaultKind.THROTTLED:
        error = throttled(fault.retry_after_seconds)
    elif fault.kind is FaultKind.RETIRED_MODEL:
        error = model_retired(order.model)
    elif fault.kind in _WORDS:
        words = _WORDS[fault.kind]
        error = ServiceError(
            words.status,
            words.code,
            words.message,
            retry_after_seconds=fault.retry_after_seconds,
        )
    else:
        return None
    if not fault.compatible:
        return error
    return ServiceError(
        error.status,
        _twin(error.code),
        error.message,
        retry_after_seconds=error.retry_after_seconds,
        compatible=True,
    )


def _twin(code: str) -> str:
    """Write a code as the OpenAI-compatible endpoint does."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", code)
    return _TWINS.get(code) or words.replace(".", "_").lower()
