"""Whatever the service says is read as an image's address or as one typed error."""

import json
import math
import time
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stills.contract.errors import (
    AccessDenied,
    AccountOverdue,
    Billing,
    ContentRefused,
    ModelNotServed,
    NoImage,
    QuotaExhausted,
    RateLimited,
    RequestRejected,
    ServiceUnavailable,
    StillsError,
    UnexpectedAnswer,
    WrongKey,
)
from stills.provider.answers import LINK_LIFE_SECONDS, Exchange, read_answer

KEY = "sk-sandbox-QZ7recognisable0key9SUFFIX"
URL = "https://dashscope-result.oss.example/a.png?Expires=2000000000&Signature=x"


def image(url: object) -> dict[str, object]:
    content = {"output": {"choices": [{"message": {"content": [{"image": url}]}}]}}
    return content | {"request_id": "r-1"}


def read(body: object, *, status: int = 200, model: str = "qwen-image-max", **headers: str):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return read_answer(Exchange(status, given, raw), model=model, key=KEY)


def failure(body: object, **facts) -> StillsError:
    with pytest.raises(StillsError) as caught:
        read(body, **facts)
    return caught.value


def refusal(code: str, message: str = "as it says") -> dict[str, str]:
    return {"code": code, "message": message, "request_id": "r-1"}


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (400, "InvalidParameter", RequestRejected),
        (400, "InvalidParameter.Sub", RequestRejected),
        (400, "DataInspectionFailed", ContentRefused),
        (400, "Arrearage", AccountOverdue),
        (401, "InvalidApiKey", WrongKey),
        (403, "AccessDenied", AccessDenied),
        (403, "AccessDenied.Unpurchased", AccessDenied),
        (403, "Model.AccessDenied", AccessDenied),
        (404, "ModelNotFound", ModelNotServed),
        (429, "Throttling", RateLimited),
        (429, "Throttling.RateQuota", RateLimited),
        (429, "Throttling.BurstRate", RateLimited),
        (429, "Throttling.AllocationQuota", QuotaExhausted),
        (429, "insufficient_quota", QuotaExhausted),
        (500, "InternalError", ServiceUnavailable),
        (500, "InternalError.Algo", ServiceUnavailable),
        (503, "ServiceUnavailable", ServiceUnavailable),
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
    """An exact code, a code's family, or else the status decides; the words are kept."""
    error = failure(refusal(code), status=status)
    assert (type(error), error.billing, error.request_id) == (expected, Billing.NONE, "r-1")
    assert f"{code}: as it says" in error.message


@pytest.mark.parametrize("code", ["DataInspectionFailed", "Throttling", "InternalError"])
def test_an_error_inside_a_200_is_the_same_error(code):
    """The status does not hide code, message and request id."""
    inside, outside = failure(refusal(code)), failure(refusal(code), status=500)
    assert type(inside) is type(outside)
    assert (inside.message, inside.request_id) == (outside.message, "r-1")


def test_an_address_without_the_service_is_not_taken_for_a_retired_model():
    """A 404 without a code comes from a wrong base URL."""
    error = failure(b"<html>not found</html>", status=404)
    assert type(error) is UnexpectedAnswer
    assert "DASHSCOPE_HTTP_BASE_URL" in error.action


def test_a_retired_model_names_date_and_successor():
    """The error says what is known, and that nothing was swapped."""
    error = failure(refusal("ModelNotFound"), status=404)
    assert "2026-10-10" in error.message
    assert "qwen-image-2.0 follows it" in error.message
    assert "nothing was swapped" in error.action
    other = failure(refusal("ModelNotFound"), status=404, model="qwen-image-3.0")
    assert "retire" not in other.message


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("7", 7.0),
        ("0.5", 0.5),
        ("-3", 0.0),
        ("999999", 3600.0),
        ("inf", 3600.0),
        ("nan", None),
        ("soon", None),
        ("", None),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("Thu, 31 Dec 2099 23:59:59 GMT", 3600.0),
    ],
)
def test_retry_after_is_read_in_all_its_forms(written, seconds):
    """Seconds or a date, between now and an hour; anything else is as if it were not there."""
    error = failure(refusal("Throttling"), status=429, retry_after=written)
    assert error.retry_after_seconds == seconds


def test_retry_after_as_a_date_counts_from_now():
    """A date ten minutes ahead is about 600 seconds."""
    in_ten_minutes = formatdate(time.time() + 600, usegmt=True)
    error = failure(refusal("Throttling"), status=429, Retry_After=in_ten_minutes)
    assert error.retry_after_seconds == pytest.approx(600, abs=60)


def test_a_signed_link_says_when_it_dies():
    """The signature's own date is taken, but never more than a day."""
    soon = int(time.time()) + 60
    assert read(image(f"https://a.example/b?Expires={soon}")).expires_at == soon
    for url in (URL, "https://a.example/b", *(f"https://a/b?Expires={x}" for x in ("nan", "inf"))):
        answer = read(image(url))
        assert answer.image_url == url
        assert answer.expires_at == pytest.approx(time.time() + LINK_LIFE_SECONDS, abs=60)


def test_an_image_is_found_beside_other_parts():
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
    """An output with no address in it is not billed, and its request id is kept."""
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
    """A 200 that is neither image nor error is not taken for free."""
    error = failure(body)
    assert (type(error), error.billing) == (UnexpectedAnswer, Billing.POSSIBLE)


def test_what_the_service_says_is_safe_to_show():
    """Keys, terminal escapes and line breaks are out of code, message and request id."""
    hostile = f"\x1b[2J{KEY}\r\nsk-of-someone-else\u202e\ud800\0"
    error = failure({"code": hostile, "message": hostile * 100, "request_id": hostile}, status=400)
    for shown in (error.message, error.request_id, str(error), repr(error)):
        assert shown.isprintable()
        assert KEY[-6:] not in shown
        assert "someone-else" not in shown
        assert len(shown) < 800


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from([URL, "InvalidParameter", KEY, "https://[", "http://a/?Expires=-1e999"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["output", "choices", "message", "content", "image", "code", "request_id", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
SHAPED = st.builds(
    lambda url, code, request_id: image(url) | {"code": code, "request_id": request_id},
    JSON,
    JSON,
    JSON,
)


@given(
    body=st.binary() | (JSON | SHAPED).map(lambda value: json.dumps(value).encode()),
    status=st.sampled_from([200, 200, 200, 204, 302, 400, 404, 429, 500]) | st.integers(100, 599),
    retry_after=st.text() | st.from_regex(r"[A-Z][a-z]{2}, \d+ [A-Z][a-z]{2} \d+ .*"),
)
def test_no_answer_raises_anything_but_our_errors(body, status, retry_after):
    """Of any bytes come an address with a date, or one of ours, fit for the catalog."""
    answer = error = None
    try:
        answer = read(body, status=status, retry_after=retry_after)
    except StillsError as raised:
        error = raised
    shown = (answer or error).request_id or ""
    shown += error.message if error else answer.image_url
    assert shown.isprintable()
    assert answer is None or not math.isnan(answer.expires_at)
