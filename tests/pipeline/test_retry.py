"""Which failed calls are repeated, and after how long."""

from dataclasses import replace

import pytest

from stills.contract.errors import (
    AccessDenied,
    AnswerTimeout,
    Billing,
    ConnectionLost,
    ContentRefused,
    InvalidRequest,
    NoImage,
    QuotaExhausted,
    RateLimited,
    RequestRejected,
    ServiceUnavailable,
    ServiceUnreachable,
    StillsError,
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


@pytest.mark.parametrize("error", [ServiceUnavailable, ServiceUnreachable])
def test_failures_that_made_no_image_are_repeated_twice_in_all(error: type):
    """Three calls at most, whatever mixture of failures there is."""
    retries = Retries(POLICY)
    assert retries.next(error()) is not None
    assert retries.next(ServiceUnavailable()) is not None
    assert retries.next(error()) is None


UNKNOWN = [
    ConnectionLost(billing=Billing.POSSIBLE),
    AnswerTimeout(billing=Billing.POSSIBLE),
    ServiceUnavailable(billing=Billing.POSSIBLE),
    UnexpectedAnswer(billing=Billing.POSSIBLE),
]


@pytest.mark.parametrize("error", UNKNOWN, ids=lambda error: error.code)
def test_a_call_of_unknown_outcome_is_not_repeated(error: StillsError):
    """It may be billed, so its class does not matter."""
    assert Retries(POLICY).next(error) is None


@pytest.mark.parametrize("error", UNKNOWN, ids=lambda error: error.code)
def test_calls_of_unknown_outcome_are_repeated_as_often_as_the_user_allows(error: StillsError):
    """The allowance is one for all such failures, and apart from that of harmless ones."""
    retries = Retries(replace(POLICY, unknown_resends=2))
    assert retries.next(error) is not None
    assert retries.next(ServiceUnavailable()) is not None
    assert retries.next(ServiceUnavailable()) is not None
    assert retries.next(UNKNOWN[0]) is not None
    assert retries.next(error) is None


def test_harmless_failures_allow_no_call_of_unknown_outcome_more():
    """After a 503 and a 429 the first lost connection ends it all the same."""
    retries = Retries(POLICY)
    retries.next(ServiceUnavailable())
    retries.next(RateLimited())
    assert retries.next(UNKNOWN[0]) is None


@pytest.mark.parametrize("resends", [-1, True, 1.0, "2", None])
def test_an_allowance_that_makes_no_sense_is_refused(resends: object):
    """The error names the argument."""
    with pytest.raises(InvalidRequest, match="resend_unknown is") as caught:
        Policy(unknown_resends=resends)
    assert caught.value.field == "resend_unknown"


def test_an_answer_without_an_image_is_sent_once_more_simplified():
    """And then never again."""
    retries = Retries(POLICY)
    assert retries.next(NoImage()).simplified
    assert retries.next(NoImage()) is None


@pytest.mark.parametrize("paced", [False, True])
@pytest.mark.parametrize(
    "error", [ServiceUnavailable(), RateLimited(), RateLimited(retry_after_seconds=1.0)]
)
def test_a_call_after_a_simplified_one_stays_simplified(error: StillsError, paced: bool):
    """Neither a 503 nor a 429 brings back the prompt that gave no image."""
    retries = Retries(POLICY, is_rate_limited=paced)
    retries.next(NoImage())
    assert retries.next(error).simplified


@pytest.mark.parametrize("error", [AccessDenied, ContentRefused, QuotaExhausted, RequestRejected])
def test_a_refusal_is_never_repeated(error: type):
    """The same request would be refused again."""
    assert Retries(POLICY).next(error()) is None
