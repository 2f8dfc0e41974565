"""Which picture stands for each shot."""

from dataclasses import replace

from tests.support.boards import decide, entry_of, find, put, take_of, two_takes_each, write_board
from tests.support.finished_shots import failed, shot

from stills.batch.manifest_entry import ManifestEntry
from stills.contract.errors import ContentRefused
from stills.review import marking
from stills.review.board import read_board
from stills.review.picked_frames import read_picked_frames
from stills.review.records import OwnPicture

OWN = OwnPicture("own/1A-0a1b.png", "0a1b", 96, 64, "mine.jpg")


def names(folder):
    return [
        frame.file and str(frame.file.relative_to(folder)) for frame in read_picked_frames(folder)
    ]


def test_without_decisions_the_first_take_stands_for_a_shot(tmp_path):
    """There is one frame per shot, in order."""
    two_takes_each(tmp_path, "1A", "2A")
    assert names(tmp_path) == ["images/1A.png", "images/2A.png"]
    assert not any(frame.is_picked for frame in read_picked_frames(tmp_path / "manifest.jsonl"))


def test_the_pick_stands_for_its_shot(tmp_path):
    """Another pick replaces it."""
    two_takes_each(tmp_path, "1A", "2A")
    decide(tmp_path, "1A", marking.pick, find(tmp_path, "1A", "2")[1])
    assert names(tmp_path) == ["images/1A-2.png", "images/2A.png"]
    decide(tmp_path, "1A", marking.pick, find(tmp_path, "1A", "1")[1])
    assert names(tmp_path) == ["images/1A.png", "images/2A.png"]


def test_rejected_takes_never_stand_for_a_shot(tmp_path):
    """The next one does; if all are rejected, the shot has no frame, and says why."""
    two_takes_each(tmp_path, "1A")
    decide(tmp_path, "1A", marking.reject, find(tmp_path, "1A", "1")[1])
    assert names(tmp_path) == ["images/1A-2.png"]
    decide(tmp_path, "1A", marking.reject, find(tmp_path, "1A", "2")[1])
    (frame,) = read_picked_frames(tmp_path)
    assert (frame.file, frame.is_rejected) == (None, True)


def test_an_own_picture_takes_the_place_of_a_shot(tmp_path):
    """A pick afterwards is a new decision; the picture stays in the folder."""
    two_takes_each(tmp_path, "1A")
    put(tmp_path, "1A", marking.use_own(find(tmp_path, "1A", "1")[0], OWN))
    assert names(tmp_path) == [OWN.file]
    assert read_picked_frames(tmp_path)[0].take is None
    decide(tmp_path, "1A", marking.pick, find(tmp_path, "1A", "2")[1])
    assert names(tmp_path) == ["images/1A-2.png"]


def test_a_comment_on_another_take_says_so(tmp_path):
    """Below the picked frame, "too dark" would be about the wrong picture."""
    two_takes_each(tmp_path, "1A")
    board_shot, first = find(tmp_path, "1A", "1")
    put(tmp_path, "1A", marking.comment(board_shot, "too dark", take=first))
    board_shot, second = find(tmp_path, "1A", "2")
    put(tmp_path, "1A", marking.comment(board_shot, "better", take=second))
    put(tmp_path, "1A", marking.comment(find(tmp_path, "1A", "2")[0], "hold it longer"))
    decide(tmp_path, "1A", marking.pick, second)
    (frame,) = read_picked_frames(tmp_path)
    assert frame.comments == ("take 1: too dark", "better", "hold it longer")


def test_a_mark_is_void_when_the_take_gets_another_image(tmp_path):
    """The pick was of a picture that the take no longer shows."""
    first = shot("1A")
    write_board(tmp_path, entry_of(first), entry_of(take_of(first, 2)))
    decide(tmp_path, "1A", marking.pick, find(tmp_path, "1A", "2")[1])
    write_board(tmp_path, entry_of(first), entry_of(take_of(first, 2), image="another"))
    assert names(tmp_path) == ["images/1A.png"]


def test_portraits_are_not_frames_and_a_failed_first_take_is_passed_over(tmp_path):
    """A shot without any image has a frame without a file."""
    first = shot("1A")
    refused = ManifestEntry.of(failed("1A", ContentRefused()))
    write_board(
        tmp_path,
        entry_of(replace(shot("anna"), is_portrait=True)),
        refused,
        entry_of(take_of(first, 2)),
        ManifestEntry.of(failed("2A", ContentRefused())),
    )
    assert names(tmp_path) == ["images/1A-2.png", None]
    assert [frame.is_rejected for frame in read_picked_frames(tmp_path)] == [False, False]
    assert [one.is_portrait for one in read_board(tmp_path).shots] == [True, False, False]
