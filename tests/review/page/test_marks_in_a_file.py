"""A copy of the page without a server: marks stay in it, and are sent back as a small file."""

import json

import pytest
from playwright.sync_api import expect
from tests.support.boards import decide, find, two_takes_each
from tests.support.browser import PHONE, watched_page

from stills.batch.manifest_entry import ReviewMark
from stills.review import marking
from stills.review.board import read_board
from stills.review.marks_file import read_marks
from stills.review.merge import merge_marks
from stills.review.record import end_run


@pytest.fixture
def folder(tmp_path):
    """A board of two shots, with its page."""
    two_takes_each(tmp_path / "out", "1A", "2A")
    end_run(tmp_path / "out", "Film")
    return tmp_path / "out"


def act(page, take, name):
    page.locator(f'.take[data-take="{take}"]').get_by_role("button", name=name).click()


def save(page, target):
    with page.expect_download() as download:
        page.click("#save")
    download.value.save_as(target)
    return target


def test_marks_are_saved_as_a_file_and_merged(page, folder, tmp_path):
    """A pick, a reject, a comment and a request arrive on the board."""
    page.goto((folder / "index.html").as_uri())
    act(page, "1A-2", "Pick")
    act(page, "2A", "Reject")
    act(page, "2A", "Comment")
    page.fill("#comment-text", 'too dark </script> "')
    page.fill("#comment-by", "Ann")
    page.click("#comment-send")
    act(page, "2A", "Another")
    page.fill("#take-prompt", "a white boat")
    page.fill("#take-seed", "7")
    page.click("#take-send")
    expect(page.locator(".take.waiting .changed")).to_have_text("a white boat")
    for kind, number in (("picked", "1"), ("rejected", "1"), ("asked", "1")):
        expect(page.locator(f".totals .{kind} dd")).to_have_text(number)
    marks = save(page, tmp_path / "marks.json")
    merged = merge_marks(read_board(folder), read_marks(marks))
    assert (merged.marks, merged.comments, merged.requests, merged.conflicts) == (2, 1, 1, ())
    board = read_board(folder)
    assert find(folder, "1A", "2")[1].mark is ReviewMark.PICKED
    assert find(folder, "2A", "1")[1].mark is ReviewMark.REJECTED
    comment = board.find("2A").review.comments[0]
    assert (comment.text, comment.by, comment.take) == ('too dark </script> "', "Ann", "2A")
    (asked,) = board.find("2A").waiting
    assert (asked.id, asked.prompt, asked.seed) == ("2A-r1", "a white boat", 7)


def test_everything_can_be_done_by_keyboard(page, folder, tmp_path):
    """Arrows move, letters decide, and focus stays where it was."""
    page.goto((folder / "index.html").as_uri())
    for key in ("ArrowDown", "ArrowRight", "p", "ArrowDown", "x", "c"):
        page.keyboard.press(key)
    page.keyboard.type("soft")
    page.keyboard.press("Control+Enter")
    page.keyboard.press("a")
    page.keyboard.press("Control+Enter")
    for key in ("ArrowRight", "x", "u"):
        page.keyboard.press(key)
    assert page.locator(".take.picked").get_attribute("data-take") == "1A-2"
    assert page.locator(".take.rejected").get_attribute("data-take") == "2A"
    with page.expect_download() as download:
        page.keyboard.press("g")
    download.value.save_as(tmp_path / "marks.json")
    saved = json.loads((tmp_path / "marks.json").read_text())
    assert list(saved["shots"]) == ["1A", "2A"]
    now = saved["shots"]["2A"]["now"]
    assert [one["take"] for one in now["rejected"]] == ["2A"]
    assert [one["text"] for one in now["comments"]] == ["soft"]
    assert [one["based_on"] for one in now["requests"]] == ["2A"]


def test_marks_stay_in_the_page_until_they_are_sent(chromium, folder):
    """They are there when the page is opened again, also by touch on a phone."""
    url = (folder / "index.html").as_uri()
    with watched_page(chromium, "file://", viewport=PHONE, has_touch=True) as watched:
        page = watched.page
        page.goto(url)
        page.locator('.take[data-take="1A-2"]').get_by_role("button", name="Pick").tap()
        page.reload()
        expect(page.locator(".take.picked")).to_have_attribute("data-take", "1A-2")
        expect(page.locator("#save")).to_have_text("Save marks (1)")
        page.locator('.take[data-take="1A-2"]').get_by_role("button", name="Pick").tap()
        expect(page.locator("#save")).to_be_disabled()


def test_what_both_sides_changed_is_a_conflict_and_nothing_is_lost(page, folder, tmp_path):
    """Ours stays, and theirs becomes a comment, once."""
    page.goto((folder / "index.html").as_uri())
    act(page, "1A-2", "Pick")
    act(page, "2A", "Reject")
    marks = read_marks(save(page, tmp_path / "marks.json"))
    decide(folder, "1A", marking.pick, find(folder, "1A", "1")[1])
    decide(folder, "2A", marking.pick, find(folder, "2A", "1")[1])
    for _ in range(2):
        merged = merge_marks(read_board(folder), marks)
        assert merged.conflicts == (
            "1A: somebody picked 1A-2; here it is 1A",
            "2A: somebody rejected 2A, which is picked here",
        )
    board = read_board(folder)
    assert [one.text for one in board.find("1A").review.comments] == ["picked 1A-2; here it is 1A"]
    assert find(folder, "1A", "1")[1].mark is ReviewMark.PICKED
    assert find(folder, "2A", "1")[1].mark is ReviewMark.PICKED
