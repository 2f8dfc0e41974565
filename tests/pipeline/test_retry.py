"""Which failed calls are retried, and after how long."""

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
from stills.pipeline.retry import Retries, Retry

POLICY = Policy(backoff_base_seconds=1.0, backoff_cap_seconds=60.0)


def test_a_throttled_call_waits_for_retry_after():
    """A little is added so that many clients do not come back at once."""
    for _ in range(50):
        resend = Retries(POLICY).next(RateLimited(retry_after_seconds=10.0))
        assert 10.0 <= resend.wait_seconds <= 12.0


def test_throttling_without_retry_after_backs_off_up_to_the_cap():
    """Exponential with full jitter, as long as the deadline allows."""
    retries = Retries(POLICY)
    for attempt in range(1, 100):
        resend = retries.next(RateLimited())
        assert 0.0 <= resend.wait_seconds <= min(60.0, 2.0**attempt)


def test_the_waits_of_a_throttled_call_grow():
    """Many clients that retried at the same pace would keep the service busy."""
    fifth = []
    for _ in range(100):
        retries = Retries(POLICY)
        fifth.append([retries.next(RateLimited()).wait_seconds for _ in range(5)][-1])
    assert max(fifth) > 4.0


def test_the_longest_wait_doubles_up_to_the_cap(monkeypatch: pytest.MonkeyPatch):
    """However often a call is retried; each wait is anything up to the longest."""
    ranges: list[tuple[float, float]] = []
    monkeypatch.setattr("random.uniform", lambda *ends: ranges.append(ends) or 0.0)
    retries = Retries(POLICY)
    for _ in range(2000):
        retries.next(RateLimited())
    assert ranges[:6] == [(0.0, longest) for longest in (2.0, 4.0, 8.0, 16.0, 32.0, 60.0)]
    assert set(ranges[6:]) == {(0.0, 60.0)}


def test_a_throttled_call_does_not_wait_by_itself_if_calls_are_rate_limited():
    """The limiter has delayed all calls, by Retry-After too."""
    retries = Retries(POLICY, is_rate_limited=True)
    for error in (RateLimited(), RateLimited(retry_after_seconds=10.0)):
        assert retries.next(error).wait_seconds == 0.0


@pytest.mark.parametrize("error", [ServiceUnavailable, ServiceUnreachable])
def test_failures_that_made_no_image_are_retried_twice_in_total(error: type):
    """Three calls at most, in any mixture of failures."""
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
def test_a_call_of_unknown_outcome_is_not_retried(error: StillsError):
    """It may be billed, so its class does not matter."""
    assert Retries(POLICY).next(error) is None


@pytest.mark.parametrize("error", UNKNOWN, ids=lambda error: error.code)
def test_calls_of_unknown_outcome_are_retried_as_often_as_the_user_allows(error: StillsError):
    """The limit is for all such failures together, apart from harmless ones."""
    retries = Retries(replace(POLICY, unknown_resends=2))
    assert retries.next(error) is not None
    assert retries.next(ServiceUnavailable()) is not None
    assert retries.next(ServiceUnavailable()) is not None
    assert retries.next(UNKNOWN[0]) is not None
    assert retries.next(error) is None


def test_harmless_failures_don_t_add_retries_of_unknown_outcomes():
    """After a 503 and a 429, the first lost connection still ends the request."""
    retries = Retries(POLICY)
    retries.next(ServiceUnavailable())
    retries.next(RateLimited())
    assert retries.next(UNKNOWN[0]) is None


@pytest.mark.parametrize("resends", [-1, True, 1.0, "2", None])
def test_an_invalid_retry_limit_is_rejected(resends: object):
    """The error names the argument."""
    with pytest.raises(InvalidRequest, match="resend_unknown is") as caught:
        Policy(unknown_resends=resends)
    assert caught.value.field == "resend_unknown"


def test_an_answer_without_an_image_is_retried_once_simplified():
    """And then not again."""
    retries = Retries(POLICY)
    assert retries.next(NoImage()) == Retry(wait_seconds=0.0, simplified=True)
    assert retries.next(NoImage()) is None


@pytest.mark.parametrize("is_rate_limited", [False, True])
@pytest.mark.parametrize(
    "error", [ServiceUnavailable(), RateLimited(), RateLimited(retry_after_seconds=1.0)]
)
def test_a_call_after_a_simplified_one_stays_simplified(error: StillsError, is_rate_limited: bool):
    """Neither a 503 nor a 429 restores the prompt that gave no image."""
    retries = Retries(POLICY, is_rate_limited=is_rate_limited)
    retries.next(NoImage())
    assert retries.next(error).simplified


@pytest.mark.parametrize("error", [AccessDenied, ContentRefused, QuotaExhausted, RequestRejected])
def test_a_rejected_request_is_not_retried(error: type):
    """It would be rejected again."""
    assert Retries(POLICY).next(error()) is None
