"""Files of marks, as anybody may send them."""

import json

import pytest
from tests.support.boards import decide, find, put, two_takes_each

from stills.contract.errors import InvalidRequest
from stills.review import marking
from stills.review.board import read_board
from stills.review.marks_file import read_marks
from stills.review.merge import merge_marks
from stills.review.record import end_run
from stills.review.records import OwnPicture
from stills.review.review_file import change_review

PICK = {"take": "1A-2", "image": "image-of-1A-2"}
FIRST = {"take": "1A", "image": "image-of-1A"}


@pytest.fixture
def folder(tmp_path):
    """A board of one shot with two takes."""
    two_takes_each(tmp_path, "1A")
    end_run(tmp_path, "Film")
    return tmp_path


def marks_of(folder, now, base=None, **more):
    board = read_board(folder).review.board
    shots = {"1A": {"base": base or {}, "now": now}}
    content = {"stills_marks": 1, "board": board, "by": "Ann", "shots": shots} | more
    (folder / "marks.json").write_text(json.dumps(content))
    return read_marks(folder / "marks.json")


def merge(folder, now, base=None):
    return merge_marks(read_board(folder), marks_of(folder, now, base))


def test_merging_twice_changes_nothing(folder):
    """Two requests that are the same stay two."""
    asked = {"based_on": "1A", "prompt": "a boat"}
    comment = {"id": "c1", "text": "hm", "at": "2026-11-26T07:00:00Z"}
    now = {"pick": PICK, "comments": [comment], "requests": [{**asked, "key": "a"}, asked]}
    merge(folder, now)
    once = read_board(folder).review.shots
    assert len(once["1A"].requests) == 2
    merged = merge(folder, now)
    assert (merged.marks, merged.comments, merged.requests, merged.conflicts) == (0, 0, 0, ())
    assert read_board(folder).review.shots == once


def test_a_merge_is_undone_as_a_whole(folder):
    """It is one change."""
    merge(folder, {"pick": PICK, "rejected": [FIRST]})
    assert change_review(folder, lambda review: review.undo_last()).shots == {}


def test_only_what_the_copy_changed_is_taken_over(folder):
    """What was decided here since then stays."""
    decide(folder, "1A", marking.reject, find(folder, "1A", "1")[1])
    base = {"rejected": [FIRST]}
    decide(folder, "1A", marking.comment, "ours")
    merged = merge(folder, {"pick": PICK, **base}, base)
    assert (merged.marks, merged.conflicts) == (1, ())
    review = read_board(folder).find("1A").review
    assert (review.pick.take, [one.take for one in review.rejected]) == ("1A-2", ["1A"])
    assert [one.text for one in review.comments] == ["ours"]


def test_what_was_taken_back_in_the_copy_is_taken_back(folder):
    """A pick, a reject and a request that has no image yet."""
    decide(folder, "1A", marking.pick, find(folder, "1A", "2")[1])
    decide(folder, "1A", marking.reject, find(folder, "1A", "1")[1])
    board = read_board(folder)
    shot = board.find("1A")
    put(folder, "1A", marking.request_take(board, shot, shot.takes[0]))
    request = {"id": "1A-r1", "based_on": "1A", "seed": 116}
    base = {"pick": PICK, "rejected": [FIRST], "requests": [request]}
    merged = merge(folder, {}, base)
    assert (merged.marks, merged.requests, merged.conflicts) == (2, 1, ())
    assert read_board(folder).review.shots == {}


def test_a_mark_of_a_picture_that_was_replaced_is_a_conflict(folder):
    """It becomes a comment."""
    merged = merge(folder, {"pick": {"take": "1A-2", "image": "another"}})
    assert merged.conflicts == ("1A: Ann picked 1A-2, whose picture has been replaced since",)
    (comment,) = read_board(folder).find("1A").review.comments
    assert (comment.by, comment.text) == (
        "Ann", "picked 1A-2, whose picture has been replaced since",
    )  # fmt: skip


def test_an_own_picture_is_not_overruled(folder):
    """The pick of the copy is reported."""
    own = OwnPicture("own/1A.png", "0a", 9, 9, "mine.png")
    put(folder, "1A", marking.use_own(read_board(folder).find("1A"), own))
    assert merge(folder, {"pick": PICK}).conflicts == (
        "1A: Ann picked 1A-2; here it is an own picture",
    )
    assert read_board(folder).find("1A").review.own == own


def test_a_request_that_makes_no_sense_here_is_a_conflict(folder):
    """Its prompt is kept in the comment."""
    asked = {"based_on": "1A-9", "prompt": "a boat"}
    (line,) = merge(folder, {"requests": [asked]}).conflicts
    assert "with the prompt: a boat" in line
    assert read_board(folder).find("1A").waiting == ()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "not JSON"),
        ('{"stills_marks": 2}', "no marks that this version"),
        ('{"stills_marks": 1, "board": "b", "shots": {"1A": {"then": {}}}}', "unknown member"),
        (
            '{"stills_marks": 1, "board": "b", "shots": {"1": {"now": {"requests": [PATH]}}}}',
            "does not begin with https://",
        ),
    ],
)
def test_a_file_that_is_no_such_file_is_refused(tmp_path, content, said):
    """Nothing of it is used; a path can't be smuggled in as a reference."""
    path = '{"based_on": "1A", "reference": {"url": "/etc/passwd"}}'
    (tmp_path / "marks.json").write_text(content.replace("PATH", path))
    with pytest.raises(InvalidRequest, match=said):
        read_marks(tmp_path / "marks.json")


def test_marks_of_another_board_are_refused(folder):
    """The ids of its shots may be the same, but mean others."""
    with pytest.raises(InvalidRequest, match="belong to another batch"):
        merge_marks(read_board(folder), marks_of(folder, {"pick": PICK}, board="other"))
