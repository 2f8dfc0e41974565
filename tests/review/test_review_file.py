"""The file of a review."""

import multiprocessing
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.boards import decide, find, two_takes_each

from stills.batch.image_files import REVIEW_NAME
from stills.contract.errors import InvalidRequest
from stills.review import marking
from stills.review.board import read_board
from stills.review.review_file import change_review, read_review


def _comment(folder: Path, number: int) -> None:
    for _ in range(10):
        change_review(
            folder,
            lambda review: review.change(
                "comment", "now", {"1A": marking.comment(*_shot(folder, review), str(number))}
            ),
        )


def _shot(folder, review):
    return (replace(read_board(folder).find("1A"), review=review.of("1A")),)


def test_processes_that_change_it_at_the_same_time_lose_nothing(tmp_path):
    """Each waits for the lock, then changes what the other wrote."""
    two_takes_each(tmp_path, "1A")
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_comment, args=(tmp_path, one)) for one in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert len(read_review(tmp_path).of("1A").comments) == 30
    assert sorted(one.name for one in tmp_path.iterdir()) == [
        "images",
        "manifest.jsonl",
        REVIEW_NAME,
    ]


def test_changes_are_undone_one_after_the_other(tmp_path):
    """The latest first; then there is nothing to undo."""
    two_takes_each(tmp_path, "1A")
    decide(tmp_path, "1A", marking.pick, find(tmp_path, "1A", "2")[1])
    picked = read_review(tmp_path).of("1A")
    decide(tmp_path, "1A", marking.reject, find(tmp_path, "1A", "2")[1])
    assert read_review(tmp_path).of("1A").pick is None
    assert change_review(tmp_path, lambda review: review.undo_last()).of("1A") == picked
    assert change_review(tmp_path, lambda review: review.undo_last()).shots == {}
    assert change_review(tmp_path, lambda review: review.undo_last()).undo == ()


def test_a_damaged_file_is_refused_and_stays(tmp_path):
    """The error names the file; it is never replaced by an empty review."""
    two_takes_each(tmp_path, "1A")
    (tmp_path / REVIEW_NAME).write_text("{")
    with pytest.raises(InvalidRequest, match=r"review\.json: it is not JSON"):
        change_review(tmp_path, lambda review: review)
    assert (tmp_path / REVIEW_NAME).read_text() == "{"


def test_a_folder_keeps_the_id_of_its_board(tmp_path):
    """It is made with the first change, and identifies the folder's marks elsewhere."""
    two_takes_each(tmp_path, "1A")
    first = change_review(tmp_path, lambda review: review)
    assert first.board
    assert decide(tmp_path, "1A", marking.comment, "x").review.board == first.board
