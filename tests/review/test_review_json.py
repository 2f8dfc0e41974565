"""Reviews as JSON."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stills.contract.errors import InvalidRequest
from stills.review.records import (
    Change,
    Comment,
    Mark,
    NewReference,
    OwnPicture,
    Review,
    ShotReview,
    TakeRequest,
)
from stills.review.review_json import read_review_json, write_review

FULL = ShotReview(
    pick=Mark("1A-2", "image-2"),
    rejected=(Mark("1A", "image-1"),),
    comments=(Comment("c1", "too dark\n<script>", "2026-11-26T07:00:00Z", by="Ann", take="1A"),),
    requests=(
        TakeRequest("1A-r1", "1A", 5, prompt="a kite", reference=NewReference(shot="2B")),
        TakeRequest("1A-r2", "1A", 6, reference=NewReference()),
    ),
    own=OwnPicture("own/1A-0a1b.png", "0a1b", 96, 64, "mine.jpg"),
)
REVIEW = Review(
    board="b",
    title="A film",
    shots={"1A": FULL},
    undo=(Change("picked", "2026-11-26T07:00:00Z", {"1A": ShotReview()}),),
)


def changed(**members):
    return json.dumps(json.loads(write_review(REVIEW)) | members).encode()


def test_a_review_is_read_as_it_was_written():
    """This includes the changes that can be undone."""
    assert read_review_json(write_review(REVIEW)) == REVIEW


@given(st.text(min_size=1, max_size=50).filter(str.strip), st.text(min_size=1, max_size=200))
def test_any_text_survives(shot_id, text):
    """Ids and comments may have quotes, line breaks, and characters of every script."""
    comment = Comment("c", text, "2026-11-26T07:00:00Z")
    review = Review("b", shots={shot_id: ShotReview(comments=(comment,))})
    assert read_review_json(write_review(review)) == review


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"[]", "not a JSON object"),
        (b'{"version": 1', "not JSON"),
        (b'{"version": 1, "version": 1}', "duplicate key"),
        (changed(version=2), "version is 2"),
        (changed(more=1), "unknown member 'more'"),
        (changed(board=""), "board is missing"),
        (changed(shots=[]), "shots has the wrong type"),
        (changed(shots={"1A": {"pick": {"take": "1A"}}}), "image is missing"),
        (changed(shots={"1A": {"star": 5}}), "unknown member 'star'"),
        (
            changed(shots={"1A": {"own": {**json.loads(b"{}"), "file": "../../etc/x"}}}),
            "not inside the folder",
        ),
        (
            changed(
                shots={
                    "1A": {
                        "requests": [
                            {"id": "r", "based_on": "1A", "seed": 1, "reference": {"url": "/etc/x"}}
                        ]
                    }
                }
            ),
            "does not begin with https://",
        ),
        (
            changed(shots={"1A": {"requests": [{"id": "r", "based_on": "1A", "seed": -1}]}}),
            "out of range",
        ),
    ],
)
def test_anything_else_is_refused(data, said):
    """The error says where: nothing is dropped, and no path can leave the folder."""
    with pytest.raises(InvalidRequest, match=said):
        read_review_json(data)
