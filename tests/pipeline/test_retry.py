"""What is sent again, and how long it waits."""

import pytest

from stills.contract.errors import (
    AccessDenied,
    AnswerTimeout,
    ConnectionLost,
    ContentRefused,
    NoImage,
    QuotaExhausted,
    RateLimited,
    RequestRejected,
    ServiceUnavailable,
    ServiceUnreachable,
    UnexpectedAnswer,
)
from stills.pipeline.policy import Policy
from stills.pipeline.retry import Retries

POLICY = Policy(backoff_base_seconds=1.0, backoff_cap_seconds=60.0)


def test_a_throttled_send_waits_as_long_as_the_service_asks():
    """Retry-After is a floor; a little is added so that many clients do not come at once."""
    for _ in range(50):
        resend = Retries(POLICY).next(RateLimited(retry_after_seconds=10.0))
        assert 10.0 <= resend.wait_seconds <= 12.0


def test_throttling_without_retry_after_backs_off_up_to_the_cap():
    """Exponential with full jitter, for as long as the deadline allows."""
    retries = Retries(POLICY)
    for attempt in range(1, 100):
        resend = retries.next(RateLimited())
        assert 0.0 <= resend.wait_seconds <= min(60.0, 2.0**attempt)


@pytest.mark.parametrize("error", [ServiceUnavailable, ServiceUnreachable, ConnectionLost])
def test_transient_failures_are_sent_twice_more_in_all(error: type):
    """Three sends at most, whatever mixture of failures there is."""
    retries = Retries(POLICY)
    assert retries.next(error()) is not None
    assert retries.next(ServiceUnavailable()) is not None
    assert retries.next(error()) is None


def test_an_answer_without_an_image_is_sent_once_more_simplified():
    """And then never again."""
    retries = Retries(POLICY)
    assert retries.next(NoImage()).simplified
    assert retries.next(NoImage()) is None


def test_a_resend_after_a_simplified_one_stays_simplified():
    """A 503 must not bring the refused prompt back."""
    retries = Retries(POLICY)
    retries.next(NoImage())
    assert retries.next(ServiceUnavailable()).simplified


@pytest.mark.parametrize(
    "error",
    [
        AccessDenied,
        AnswerTimeout,
        ContentRefused,
        QuotaExhausted,
        RequestRejected,
        UnexpectedAnswer,
    ],
)
def test_everything_else_is_never_sent_again(error: type):
    """Above all a timed-out answer, which may have been paid for."""
    assert Retries(POLICY).next(error()) is None
