"""Every answer of the service is read as an image's URL or one typed error."""

import time

import pytest
from tests.support.service_answers import URL, failure, image, read, refusal

from stills.contract.errors import (
    AccessDenied,
    AccountOverdue,
    Billing,
    ContentRefused,
    InvalidReference,
    ModelNotServed,
    NoImage,
    QuotaExhausted,
    RateLimited,
    RequestRejected,
    ServiceUnavailable,
    UnexpectedAnswer,
    WrongKey,
)


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (400, "InvalidParameter", RequestRejected),
        (400, "InvalidParameter.Sub", RequestRejected),
        (400, "InternalError.Algo.InvalidParameter", RequestRejected),
        (400, "DataInspectionFailed", ContentRefused),
        (400, "InternalError.Algo.DataInspectionFailed", ContentRefused),
        (400, "IPInfringementSuspect", ContentRefused),
        (400, "FaqRuleBlocked", ContentRefused),
        (400, "CustomRoleBlocked", ContentRefused),
        (400, "ServiceUnavailableError", RequestRejected),
        (400, "Arrearage", AccountOverdue),
        (401, "InvalidApiKey", WrongKey),
        (403, "AccessDenied", AccessDenied),
        (403, "AccessDenied.Unpurchased", AccessDenied),
        (403, "Model.AccessDenied", AccessDenied),
        (403, "Workspace.AccessDenied", AccessDenied),
        (403, "AllocationQuota.FreeTierOnly", QuotaExhausted),
        (404, "ModelNotFound", ModelNotServed),
        (404, "WorkSpaceNotFound", AccessDenied),
        (429, "Throttling", RateLimited),
        (429, "Throttling.RateQuota", RateLimited),
        (429, "Throttling.BurstRate", RateLimited),
        (429, "Throttling.AllocationQuota", RateLimited),
        (429, "insufficient_quota", RateLimited),
        (429, "limit_requests", RateLimited),
        (429, "LimitRequests", RateLimited),
        (429, "limit_burst_rate", RateLimited),
        (429, "PrepaidBillOverdue", AccountOverdue),
        (429, "PostpaidBillOverdue", AccountOverdue),
        (429, "CommodityNotPurchased", AccessDenied),
        (500, "InternalError", ServiceUnavailable),
        (500, "InternalError.Algo", ServiceUnavailable),
        (503, "ServiceUnavailable", ServiceUnavailable),
        (503, "ModelServingError", ServiceUnavailable),
        (504, "RequestTimeOut", ServiceUnavailable),
        (400, "NeverHeardOf", RequestRejected),
        (401, "NeverHeardOf", WrongKey),
        (403, "NeverHeardOf", AccessDenied),
        (404, "NeverHeardOf", ModelNotServed),
        (418, "NeverHeardOf", UnexpectedAnswer),
        (429, "NeverHeardOf", RateLimited),
        (599, "NeverHeardOf", ServiceUnavailable),
    ],
)
def test_every_code_has_its_error(status, code, expected):
    """The code, its family or else the status decides; the service's words are included."""
    error = failure(refusal(code), status=status)
    assert (type(error), error.billing, error.request_id) == (expected, Billing.NONE, "r-1")
    assert f"{code}: as it says" in error.message


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (400, "invalid_parameter_error", RequestRejected),
        (400, "data_inspection_failed", ContentRefused),
        (400, "ip_infringement_suspect", ContentRefused),
        (400, "faq_rule_blocked", ContentRefused),
        (400, "arrearage", AccountOverdue),
        (401, "invalid_api_key", WrongKey),
        (403, "access_denied", AccessDenied),
        (403, "workspace_access_denied", AccessDenied),
        (403, "allocation_quota_free_tier_only", QuotaExhausted),
        (404, "model_not_found", ModelNotServed),
        (404, "model_not_supported", ModelNotServed),
        (429, "throttling", RateLimited),
        (429, "insufficient_quota", RateLimited),
        (429, "prepaid_bill_overdue", AccountOverdue),
        (429, "commodity_not_purchased", AccessDenied),
        (500, "internal_error", ServiceUnavailable),
        (503, "service_unavailable", ServiceUnavailable),
        (504, "request_time_out", ServiceUnavailable),
    ],
)
@pytest.mark.parametrize("shape", ["the service's own", "OpenAI's"])
def test_a_snake_case_code_is_the_same_error_in_both_envelopes(status, code, expected, shape):
    """Snake-case codes and OpenAI's `error` object are the same errors."""
    body = refusal(code)
    if shape == "OpenAI's":
        facts = {"code": code, "message": "as it says", "type": "t", "param": None}
        body = {"error": facts, "request_id": "r-1"}
    error = failure(body, status=status)
    assert (type(error), error.billing, error.request_id) == (expected, Billing.NONE, "r-1")
    assert f"{code}: as it says" in error.message


def test_an_openai_error_without_a_code_is_read_by_its_type():
    """In OpenAI's form the code may be null."""
    body = {"error": {"code": None, "type": "insufficient_quota", "message": "slow down"}}
    assert type(failure(body, status=429)) is RateLimited


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (400, "InvalidParameter.DataInspection", "could not download"),
        (400, "invalid_parameter.data_inspection", "could not download"),
        (400, "InvalidURL", "could not download"),
        (400, "InvalidURL.Timeout", "could not download"),
        (400, "invalid_url", "could not download"),
        (400, "InvalidFile.DownloadFailed", "could not download"),
        (400, "BadRequest.InputDownloadFailed", "could not download"),
        (400, "InvalidFile.Resolution", "can't read"),
        (400, "InvalidImage.FileFormat", "can't read"),
        (400, "InvalidImage.ImageSize", "can't read"),
        (400, "InvalidImageFormat", "can't read"),
        (400, "InvalidImageResolution", "can't read"),
        (400, "BadRequest.TooLarge", "too large"),
    ],
)
def test_a_refused_reference_is_the_references_error(status, code, words):
    """The error names the field, suggests another image, and is free."""
    error = failure(refusal(code), status=status, has_reference=True)
    assert (type(error), error.field) == (InvalidReference, "reference_image")
    assert (error.billing, error.request_id) == (Billing.NONE, "r-1")
    assert words in error.message
    assert "as it says" in error.message
    assert "nothing was billed" in error.action
    assert type(failure(refusal(code), status=status)) is RequestRejected


def test_a_request_too_large_for_the_gateway_asks_for_a_smaller_reference():
    """A 413 has no code; without a reference the request is rejected."""
    page = b"<html>413 Request Entity Too Large</html>"
    error = failure(page, status=413, has_reference=True)
    assert (type(error), error.billing) == (InvalidReference, Billing.NONE)
    assert "Scale it down" in error.action
    assert type(failure(page, status=413)) is RequestRejected


@pytest.mark.parametrize("code", ["InvalidParameter", "invalid_parameter_error"])
def test_a_model_that_does_not_exist_is_not_a_bad_parameter(code):
    """On launch days the service reports it with status 400."""
    error = failure(refusal(code, "Model not exist."), status=400)
    assert type(error) is ModelNotServed
    assert "Model not exist" in error.message


@pytest.mark.parametrize("code", ["Throttling.AllocationQuota", "insufficient_quota"])
def test_only_the_free_quota_is_final(code):
    """Tokens per minute come back; the free tier does not, and the action names the setting."""
    error = failure(refusal(code, "Free allocated quota exceeded."), status=429)
    assert type(error) is QuotaExhausted
    assert "free tier" in error.message
    assert "console" in error.action
    assert type(failure(refusal(code, "Allocated quota exceeded, ..."), status=429)) is RateLimited


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (403, "Workspace.AccessDenied", "Use a key of that workspace"),
        (403, "AllocationQuota.FreeTierOnly", "free tier only"),
        (429, "CommodityNotPurchased", "Activate Model Studio"),
    ],
)
def test_an_account_error_says_what_to_do(status, code, words):
    """Each error has its own action."""
    assert words in failure(refusal(code), status=status).action


@pytest.mark.parametrize("status", [500, 502, 504, 520, 524, 599])
def test_a_gateways_error_leaves_the_outcome_unknown(status):
    """A gateway can't know the outcome; the error says what a retry costs."""
    error = failure(b"<html>gateway</html>", status=status)
    assert (type(error), error.billing) == (ServiceUnavailable, Billing.POSSIBLE)
    assert "A retry sends another call" in error.action


@pytest.mark.parametrize(("status", "expected"), [(429, RateLimited), (503, ServiceUnavailable)])
def test_a_request_that_a_gateway_held_back_made_no_image(status, expected):
    """Both statuses mean that nothing was passed on."""
    error = failure(b"<html>busy</html>", status=status, retry_after="3")
    assert (type(error), error.billing) == (expected, Billing.NONE)


def test_an_image_with_a_code_is_not_lost():
    """The image exists, even if the answer has a code too."""
    assert read(image(URL) | {"code": "Success", "message": ""}).image_url == URL


@pytest.mark.parametrize("code", ["DataInspectionFailed", "Throttling", "InternalError"])
def test_an_error_inside_a_200_is_the_same_error(code):
    """Code, message and request id are read despite the status."""
    inside, outside = failure(refusal(code)), failure(refusal(code), status=500)
    assert type(inside) is type(outside)
    assert (inside.message, inside.request_id) == (outside.message, "r-1")


def test_a_wrong_base_url_is_not_a_retired_model():
    """A 404 without a code comes from a wrong base URL."""
    error = failure(b"<html>not found</html>", status=404)
    assert type(error) is UnexpectedAnswer
    assert "DASHSCOPE_HTTP_BASE_URL" in error.action


def test_a_model_that_is_not_served_is_named():
    """The error says that no other model was used."""
    error = failure(refusal("ModelNotFound"), status=404, model="qwen-image-3.0")
    assert error.message.startswith("qwen-image-3.0 is not served (ModelNotFound")
    assert "did not fall back to another model, and nothing was billed" in error.action


def test_a_signed_link_has_an_expiry():
    """The signature's date is used, but at most a day."""
    soon = int(time.time()) + 60
    assert read(image(f"https://a.example/b?Expires={soon}")).expires_at == soon
    for url in (URL, "https://a.example/b", *(f"https://a/b?Expires={x}" for x in ("nan", "inf"))):
        answer = read(image(url))
        assert answer.image_url == url
        assert answer.expires_at == pytest.approx(time.time() + 24 * 3600, abs=60)


def test_an_image_is_found_among_other_parts():
    """Text before the image does not hide it."""
    body = image(URL)
    body["output"]["choices"][0]["message"]["content"].insert(0, {"text": "here it is"})
    answer = read(body)
    assert (answer.image_url, answer.request_id) == (URL, "r-1")


@pytest.mark.parametrize(
    "body",
    [
        *(image(url) for url in (None, "", 7, ["x"], "https://a/\nb", "https://a/\ud800")),
        {"output": {}, "request_id": "r-1"},
        {"output": {"choices": []}, "request_id": "r-1"},
        {"output": {"choices": {"0": 1}}, "request_id": "r-1"},
        {"output": {"choices": [{"message": {"content": "image"}}]}, "request_id": "r-1"},
    ],
)
def test_an_answer_without_a_usable_link_is_no_image(body):
    """An output without a URL is not billed, and its request id is read."""
    error = failure(body)
    assert (type(error), error.billing, error.request_id) == (NoImage, Billing.NONE, "r-1")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>please sign in</html>",
        b"\xff\xfe\x00",
        b"null",
        b"[]",
        b'"text"',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"1" * 100_000,
        b'{"output": null}',
        b'{"output": [1]}',
        b'{"code": 7, "message": {}}',
    ],
    ids=lambda body: ascii(body[:12]),
)
def test_an_unreadable_answer_may_be_billed(body):
    """A 200 that is neither an image nor an error is possibly billed."""
    error = failure(body)
    assert (type(error), error.billing) == (UnexpectedAnswer, Billing.POSSIBLE)


@pytest.mark.parametrize("count", [{"image_count": 1}, {"output_image_count": 1}])
def test_an_answer_that_counts_an_image_but_has_none_is_billed(count):
    """In both forms of usage: it is not simply sent again."""
    error = failure({"output": {"choices": []}, "usage": count, "request_id": "r-1"}, status=200)
    assert (type(error), error.billing) == (UnexpectedAnswer, Billing.BILLED)


@pytest.mark.parametrize(
    "usage", [{"image_count": 0}, {"output_image_count": 0}, {"image_count": "1"}, {}, None, [1]]
)
def test_an_answer_that_counts_no_image_is_not_billed(usage):
    """Whatever else it counts."""
    error = failure({"output": {"choices": []}, "usage": usage, "request_id": "r-1"}, status=200)
    assert (type(error), error.billing) == (NoImage, Billing.NONE)
