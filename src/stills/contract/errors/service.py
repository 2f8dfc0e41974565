"""Errors of the service, or of the way to it and back."""

from stills.contract.errors.remedies import Remedy
from stills.contract.errors.tree import Billing, StillsError

UNKNOWN_OUTCOME_ACTION = "A retry sends another call, and both may be billed."
"""What to do about a call that may have made an image, although none came."""


class ContentRefused(StillsError):
    """The service's content filter refused the prompt or the image."""

    code = "content_refused"
    default_remedy = Remedy.REPHRASE
    default_action = (
        "Rephrase the prompt: the same words will be refused again. A refused call is not billed."
    )


class ServiceError(StillsError):
    """The service, or the way to it, failed."""

    code = "service"
    default_remedy = Remedy.RETRY_LATER
    default_action = "Retry later."

    def __init__(
        self,
        message: str = "",
        *,
        action: str = "",
        billing: Billing = Billing.NONE,
        request_id: str | None = None,
    ) -> None:
        unknown = UNKNOWN_OUTCOME_ACTION if billing is Billing.POSSIBLE else ""
        super().__init__(message, action=action or unknown, billing=billing, request_id=request_id)


class RequestRejected(ServiceError):
    """The service calls the request invalid."""

    code = "request_rejected"
    default_remedy = Remedy.CHECK_SERVICE
    default_action = (
        "The service's rules may have changed: report it with the request id. "
        "A refused call is not billed."
    )


class ServiceUnavailable(ServiceError):
    """The service failed on its side."""

    code = "service_unavailable"
    retryable = True
    default_action = "Retry in a few minutes; a failed call is not billed."


class ServiceUnreachable(ServiceError):
    """No connection to the service could be made."""

    code = "service_unreachable"
    retryable = True
    default_action = "Check the network and DASHSCOPE_HTTP_BASE_URL; nothing was sent."


class ConnectionLost(ServiceError):
    """The connection broke before the answer came."""

    code = "connection_lost"
    retryable = True
    default_remedy = Remedy.RETRY_MAY_BILL_TWICE
    default_action = UNKNOWN_OUTCOME_ACTION


class AnswerTimeout(ServiceError):
    """The service did not answer in time."""

    code = "answer_timeout"
    retryable = True
    default_remedy = Remedy.RETRY_MAY_BILL_TWICE
    default_action = UNKNOWN_OUTCOME_ACTION


class CallInterrupted(ServiceError):
    """The worker of a job was stopped during an API call for this image."""

    code = "call_interrupted"
    default_remedy = Remedy.RETRY_MAY_BILL_TWICE
    default_action = (
        "Retry the job with `stills jobs retry`: it sends another call, and both may be billed."
    )


class NoImage(ServiceError):
    """The service answered twice without an image."""

    code = "no_image"
    default_remedy = Remedy.REPHRASE
    default_action = "Rephrase the prompt; an answer without an image is not billed."


class UnexpectedAnswer(ServiceError):
    """The service's answer can't be read."""

    code = "unexpected_answer"
    default_remedy = Remedy.CHECK_SERVICE
    default_action = "Check DASHSCOPE_HTTP_BASE_URL; if it is right, report this."


class DamagedImage(ServiceError):
    """The service made a damaged image."""

    code = "damaged_image"
    default_remedy = Remedy.RETRY_FREE
    default_action = (
        "Retry to download it again, free as long as its link lives (a day), or use --fresh to pay "
        "for a new one."
    )


class LinkDead(ServiceError):
    """The image was made, but its link does not answer."""

    code = "link_dead"
    retryable = True
    default_remedy = Remedy.RETRY_FREE
    default_action = "Retry to download it free of charge, or use --fresh to pay for a new one."


class LinkLost(ServiceError):
    """The image was made and billed, but its link is lost."""

    code = "link_lost"
    default_remedy = Remedy.PAY_AGAIN
    default_action = "Fix the catalog first; a retry is billed again."


class TaskRunning(ServiceError):
    """The service is still working on the image."""

    code = "task_running"
    retryable = True
    default_remedy = Remedy.CONTINUE
    default_action = (
        "Repeat the same request without --fresh, or run `stills recover`: both wait for this "
        "image, and send and bill no other call."
    )

    @property
    def outcome_unknown(self) -> bool:
        """False, because the service can be asked for the outcome."""
        return False


class TaskLost(ServiceError):
    """The service no longer knows the call, so its outcome is unknown."""

    code = "task_lost"
    default_remedy = Remedy.RETRY_MAY_BILL_TWICE
    default_action = UNKNOWN_OUTCOME_ACTION


class DeadlineExceeded(ServiceError):
    """The request took longer than allowed."""

    code = "deadline_exceeded"
    retryable = True
    default_remedy = Remedy.ALLOW_TIME
    default_action = "Retry later, or allow more time with STILLS_DEADLINE_SECONDS."

    def __init__(
        self, message: str = "", *, action: str = "", billing: Billing = Billing.NONE
    ) -> None:
        super().__init__(message, action=action or _LATE.get(billing, ""), billing=billing)


_LATE = {
    Billing.POSSIBLE: f"{UNKNOWN_OUTCOME_ACTION} Allow more time with STILLS_DEADLINE_SECONDS.",
    Billing.BILLED: "Retry: the billed image is finished free of charge.",
}
