"""When a run stops early: the account or the store refuses, or the service does not answer."""

from stills.contract.errors import (
    AccessError,
    Billing,
    QuotaExhausted,
    ServiceUnavailable,
    ServiceUnreachable,
    StillsError,
    StoreRefused,
)
from stills.contract.outcome import RequestOutcome

OUTAGE_FAILURES = 5
"""The number of shots in a row without an answer from the service that is an outage."""

REFUSED_IMAGES = 3
"""The number of images in a row that the store refused, after which it is expected to go on."""

_ACCOUNT = (AccessError, QuotaExhausted)


class EarlyStop:
    """Watches the outcomes of a run; `reason` is set once no more shots should start."""

    def __init__(self) -> None:
        self.reason: str | None = None
        self._unanswered = 0
        self._last_unanswered: str | None = None
        self._refused = 0

    def add(self, outcome: RequestOutcome, *, takes_of: str | None = None) -> None:
        """Add an outcome; call it in the order in which shots end.

        `takes_of` is the shot whose takes may share an API call: a failed one counts once.
        """
        error = outcome.error
        if error is not None and _is_unanswered(error):
            self._unanswered += takes_of is None or takes_of != self._last_unanswered
            self._last_unanswered = takes_of
        elif error is not None or (outcome.result is not None and not outcome.result.cached):
            self._unanswered = 0
            self._last_unanswered = None
        self._count_refused(outcome)
        if error is None or self.reason is not None:
            return
        message = error.message.rstrip(".")
        if isinstance(error, _ACCOUNT) or _is_unsent(error):
            self.reason = f"every shot would fail the same way: {message}"
        elif self._unanswered >= OUTAGE_FAILURES:
            self.reason = (
                f"the service did not answer {OUTAGE_FAILURES} shots in a row; the last: {message}"
            )
        elif self._refused >= REFUSED_IMAGES:
            self.reason = f"the store refused {REFUSED_IMAGES} images in a row; the last: {message}"

    def _count_refused(self, outcome: RequestOutcome) -> None:
        if isinstance(outcome.error, StoreRefused):
            self._refused += 1
        elif outcome.result is not None and not outcome.result.cached:
            self._refused = 0


def _is_unsent(error: StillsError) -> bool:
    """Return whether the store was found to be unusable before anything was sent."""
    return isinstance(error, StoreRefused) and error.billing is Billing.NONE


def _is_unanswered(error: StillsError) -> bool:
    """Return whether the service itself did not answer, and may not have got the request.

    Its own errors are answers: they have a request id, which those of a gateway lack.
    """
    by_gateway = isinstance(error, ServiceUnavailable) and error.request_id is None
    return error.outcome_unknown or by_gateway or isinstance(error, ServiceUnreachable)
