"""Hostile or malformed answers: they do no harm, and show no key."""

import json
import math
import time
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.service_answers import KEY, URL, failure, image, read, refusal

from stills.contract.errors import StillsError


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
def test_retry_after_is_read_in_every_form(written, seconds):
    """Seconds or a date, at most an hour ahead; anything else is ignored."""
    error = failure(refusal("Throttling"), status=429, retry_after=written)
    assert error.retry_after_seconds == seconds


def test_retry_after_as_a_date_counts_from_now():
    """A date ten minutes ahead is about 600 seconds."""
    in_ten_minutes = formatdate(time.time() + 600, usegmt=True)
    error = failure(refusal("Throttling"), status=429, Retry_After=in_ten_minutes)
    assert error.retry_after_seconds == pytest.approx(600, abs=60)


def test_texts_of_the_service_are_safe_to_show():
    """Keys, terminal escapes and line breaks are removed from code, message and request id."""
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
    """Any bytes are a URL with an expiry or a StillsError, fit for the catalog."""
    answer = error = None
    try:
        answer = read(body, status=status, retry_after=retry_after)
    except StillsError as raised:
        error = raised
    shown = (answer or error).request_id or ""
    shown += error.message if error else answer.image_url
    assert shown.isprintable()
    assert answer is None or not math.isnan(answer.expires_at)
