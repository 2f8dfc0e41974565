"""When a run stops early: an account that is refused, or a service that does not answer."""

from stills.contract.errors import (
    AccessError,
    QuotaExhausted,
    ServiceUnavailable,
    ServiceUnreachable,
    StillsError,
)
from stills.contract.outcome import RequestOutcome

OUTAGE_FAILURES = 5
"""So many shots in a row without an answer from the service are an outage."""

_ACCOUNT = (AccessError, QuotaExhausted)


class EarlyStop:
    """Follows the outcomes of a run; `reason` is set once no more shots should start."""

    def __init__(self) -> None:
        self.reason: str | None = None
        self._unanswered = 0

    def add(self, outcome: RequestOutcome) -> None:
        """Take in one more outcome, in the order in which they end."""
        error = outcome.error
        if error is not None and _is_unanswered(error):
            self._unanswered += 1
        elif error is not None or (outcome.result is not None and not outcome.result.cached):
            self._unanswered = 0
        if error is None or self.reason is not None:
            return
        message = error.message.rstrip(".")
        if isinstance(error, _ACCOUNT):
            self.reason = f"every shot would fail the same way: {message}"
        elif self._unanswered >= OUTAGE_FAILURES:
            self.reason = (
                f"the service did not answer {OUTAGE_FAILURES} shots in a row; the last: {message}"
            )


def _is_unanswered(error: StillsError) -> bool:
    """Return whether the service itself may never have seen the request, or never answered it.

    A failure in its own words is an answer: those have a request id, a gateway's have none.
    """
    by_gateway = isinstance(error, ServiceUnavailable) and error.request_id is None
    return error.outcome_unknown or by_gateway or isinstance(error, ServiceUnreachable)
