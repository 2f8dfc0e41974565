"""Decisions about shots."""

from dataclasses import replace

import pytest
from tests.support.boards import decide, entry_of, find, put, two_takes_each, write_board
from tests.support.finished_shots import failed, shot

from stills.batch.manifest import read_manifest
from stills.batch.manifest_entry import ManifestEntry, ReviewMark
from stills.contract.errors import ContentRefused, InvalidRequest
from stills.contract.takes import TAKES_MAX
from stills.review import marking
from stills.review.board import read_board
from stills.review.record import record
from stills.review.records import NewReference


def ask(folder, shot_id, label, **more):
    board = read_board(folder)
    found = board.find(shot_id)
    review = marking.request_take(board, found, found.find_take(label), **more)
    return put(folder, shot_id, review).find(shot_id)


def test_a_take_is_either_picked_or_rejected(tmp_path):
    """The later decision counts."""
    two_takes_each(tmp_path, "1A")
    _, take = find(tmp_path, "1A", "2")
    decide(tmp_path, "1A", marking.pick, take)
    decide(tmp_path, "1A", marking.reject, take)
    assert find(tmp_path, "1A", "2")[1].mark is ReviewMark.REJECTED
    decide(tmp_path, "1A", marking.pick, take)
    assert find(tmp_path, "1A", "2")[1].mark is ReviewMark.PICKED
    decide(tmp_path, "1A", marking.clear, take)
    assert find(tmp_path, "1A", "2")[1].mark is None


def test_only_takes_with_an_image_can_be_marked(tmp_path):
    """A failed one can be asked for again, but not picked."""
    write_board(tmp_path, ManifestEntry.of(failed("1A", ContentRefused(), seed=3)))
    found, take = find(tmp_path, "1A", "1")
    with pytest.raises(InvalidRequest, match="has no image"):
        marking.pick(found, take)
    (waiting,) = ask(tmp_path, "1A", "1", prompt="a friendly kite").waiting
    assert (waiting.id, waiting.prompt) == ("1A-r1", "a friendly kite")


def test_requested_takes_are_numbered_and_have_seeds_of_their_own(tmp_path):
    """The seeds follow those of the list's own takes; an unchanged prompt is not kept."""
    two_takes_each(tmp_path, "1A")
    ask(tmp_path, "1A", "2", prompt="a red kite")
    first, second = ask(tmp_path, "1A", "1", seed=5, reference=NewReference(shot="1A-2")).waiting
    assert (first.id, first.based_on, first.seed) == ("1A-r1", "1A-2", 100 + TAKES_MAX)
    assert first.prompt is None
    assert (second.id, second.seed) == ("1A-r2", 5)


@pytest.mark.parametrize(
    "more",
    [
        {"prompt": " "},
        {"prompt": "x" * 10_001},
        {"seed": -1},
        {"reference": NewReference(shot="9Z")},
    ],
)
def test_a_take_that_can_not_be_generated_is_refused_at_once(tmp_path, more):
    """Nothing is added to the review."""
    two_takes_each(tmp_path, "1A")
    with pytest.raises(InvalidRequest):
        ask(tmp_path, "1A", "1", **more)
    assert read_board(tmp_path).review.shots == {}


def test_a_request_can_be_taken_back_until_its_image_exists(tmp_path):
    """What is paid for stays."""
    two_takes_each(tmp_path, "1A")
    found = ask(tmp_path, "1A", "1")
    assert marking.cancel_request(found, "1A-r1").requests == ()
    made = replace(shot("1A-r1"), take_of="1A", is_retake=True)
    entries = [*read_manifest(tmp_path / "manifest.jsonl"), entry_of(made)]
    write_board(tmp_path, *entries)
    found = read_board(tmp_path).find("1A")
    assert found.waiting == ()
    assert [take.label for take in found.takes] == ["1", "2", "r1"]
    with pytest.raises(InvalidRequest, match="no take '1A-r1' is waiting"):
        marking.cancel_request(found, "1A-r1")


def test_rejected_takes_are_asked_for_again_once_and_only_without_a_pick(tmp_path):
    """A pick settles its shot, so the others may be rejected without being paid for again."""
    two_takes_each(tmp_path, "1A", "2A")
    decide(tmp_path, "1A", marking.reject, find(tmp_path, "1A", "1")[1])
    board = read_board(tmp_path)
    again = marking.request_rejected(board, board.find("1A"))
    assert [(one.id, one.based_on) for one in again.requests] == [("1A-r1", "1A")]
    put(tmp_path, "1A", again)
    board = read_board(tmp_path)
    assert marking.request_rejected(board, board.find("1A")) == again

    decide(tmp_path, "2A", marking.reject, find(tmp_path, "2A", "1")[1])
    board = decide(tmp_path, "2A", marking.pick, find(tmp_path, "2A", "2")[1])
    assert marking.request_rejected(board, board.find("2A")).requests == ()


def test_the_manifest_records_marks_and_comments(tmp_path):
    """Programs that read only the manifest see what was decided."""
    two_takes_each(tmp_path, "1A")
    decide(tmp_path, "1A", marking.pick, find(tmp_path, "1A", "2")[1])
    decide(tmp_path, "1A", marking.comment, " too dark ", by="Ann")
    record(tmp_path)
    first, second = read_manifest(tmp_path / "manifest.jsonl")
    assert (first.mark, first.comments) == (None, ("too dark",))
    assert (second.mark, second.comments) == (ReviewMark.PICKED, ())


def test_an_unknown_shot_or_take_is_named(tmp_path):
    """The error lists what exists."""
    two_takes_each(tmp_path, "1A", "2A")
    with pytest.raises(InvalidRequest, match="no shot '1a'") as refused:
        read_board(tmp_path).find("1a")
    assert "Did you mean 1A?" in refused.value.action
    with pytest.raises(InvalidRequest, match="no take '7'") as refused:
        read_board(tmp_path).find("1A").find_take("7")
    assert "1, 2" in refused.value.action
