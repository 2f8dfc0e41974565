"""When a run stops early, and when it does not."""

import pytest
from tests.support.image_results import image_result

from stills.batch.early_stop import OUTAGE_FAILURES, REFUSED_IMAGES, EarlyStop
from stills.contract.errors import (
    AccountOverdue,
    AnswerTimeout,
    Billing,
    ConnectionLost,
    ContentRefused,
    LinkDead,
    ServiceUnavailable,
    ServiceUnreachable,
    StillsError,
    StoreRefused,
    UnexpectedAnswer,
)
from stills.contract.outcome import RequestOutcome
from stills.contract.request import ImageRequest

KITE = ImageRequest(prompt="a red kite", size="512*512")
UNANSWERED = [
    ConnectionLost(billing=Billing.POSSIBLE),
    AnswerTimeout(billing=Billing.POSSIBLE),
    UnexpectedAnswer(billing=Billing.POSSIBLE),
    ServiceUnavailable("a gateway failed", billing=Billing.POSSIBLE),
    ServiceUnavailable("a gateway is overloaded"),
    ServiceUnreachable(),
    ConnectionLost().with_(shared_billing=Billing.POSSIBLE),
]
ANSWERED = [
    ContentRefused(),
    ServiceUnavailable("InternalError", request_id="r-1"),
    LinkDead(billing=Billing.BILLED),
]


def failed(error: StillsError) -> RequestOutcome:
    return RequestOutcome(0, KITE, error=error)


def made(*, cached: bool) -> RequestOutcome:
    result = image_result(cached=cached, cost_usd=0.0)
    return RequestOutcome(0, KITE, result=result)


def after(*outcomes: RequestOutcome) -> str | None:
    stop = EarlyStop()
    for outcome in outcomes:
        stop.add(outcome)
    return stop.reason


@pytest.mark.parametrize("error", UNANSWERED, ids=lambda error: f"{error.code} {error.billing}")
def test_shots_that_the_service_does_not_answer_stop_the_run(error: StillsError):
    """The fifth one in a row does, and the reason has the number and the last error."""
    assert after(*[failed(error)] * (OUTAGE_FAILURES - 1)) is None
    reason = after(*[failed(error)] * OUTAGE_FAILURES)
    assert "did not answer 5 shots in a row" in reason
    assert error.message.rstrip(".") in reason


def test_takes_that_share_a_call_count_once():
    """One call without an answer is not an outage, however many images it ordered."""
    stop = EarlyStop()
    for shot in "abcd":
        for _ in range(6):
            stop.add(failed(UNANSWERED[0]), takes_of=shot)
    assert stop.reason is None
    stop.add(failed(UNANSWERED[0]), takes_of="e")
    assert "did not answer 5 shots in a row" in stop.reason


@pytest.mark.parametrize("error", ANSWERED, ids=lambda error: error.code)
def test_failures_that_the_service_answered_do_not_stop_the_run(error: StillsError):
    """They only concern their own shot."""
    assert after(*[failed(error)] * 20) is None


@pytest.mark.parametrize(
    "between", [made(cached=False), *map(failed, ANSWERED)], ids=["an image", "a", "b", "c"]
)
def test_an_answer_in_between_resets_the_count(between: RequestOutcome):
    """It shows that the service is available."""
    lost = [failed(UNANSWERED[0])] * (OUTAGE_FAILURES - 1)
    assert after(*lost, between, *lost) is None


def test_an_image_from_the_catalog_does_not_reset_the_count():
    """The service was not involved."""
    lost = failed(UNANSWERED[0])
    assert after(*[lost, made(cached=True)] * OUTAGE_FAILURES) is not None


def test_an_account_error_stops_the_run_at_once():
    """Every other shot would fail as well; the first reason stays."""
    reason = after(failed(AccountOverdue("it owes money")), *[failed(UNANSWERED[0])] * 9)
    assert reason == "every shot would fail the same way: it owes money"


def test_a_store_that_can_t_be_used_stops_the_run_at_once():
    """Nothing was sent, and nothing would be."""
    reason = after(failed(StoreRefused("no space left; nothing was sent")))
    assert reason == "every shot would fail the same way: no space left; nothing was sent"


def test_images_that_the_store_refuses_stop_the_run():
    """The third in a row does: each is paid for and fills the spool. The catalog's don't count."""
    spooled = failed(StoreRefused("no space left", billing=Billing.BILLED))
    assert after(*[spooled] * (REFUSED_IMAGES - 1), made(cached=False), spooled) is None
    reason = after(*[spooled, made(cached=True)] * REFUSED_IMAGES)
    assert reason == "the store refused 3 images in a row; the last: no space left"
