"""The loupe: takes in full size, in a real browser."""

import pytest
from playwright.sync_api import expect
from tests.support.boards import two_takes_each, write_board
from tests.support.finished_shots import done, failed, result, shot

from stills.batch.manifest_entry import ManifestEntry
from stills.contract.errors import ContentRefused
from stills.review.page.document import write_page
from stills.shotlist.shots import Outcome

ENTRIES = [
    ManifestEntry.of(done("kira", prompt="A courier", is_portrait=True), "images/kira.png"),
    ManifestEntry.of(done("s01", prompt="Rain on glass", style="noir"), "images/s01.png"),
    ManifestEntry.of(failed("s02", ContentRefused())),
    ManifestEntry.of(Outcome(shot("s03", "In the <rain>"), result()), "images/雨.png"),
    ManifestEntry.of(done("<b>s05"), "images/a?b#c%20'.png"),
]


@pytest.fixture
def sheet(tmp_path):
    return write_page(write_board(tmp_path, *ENTRIES))


def test_a_click_opens_the_loupe_and_keys_move_on(page, sheet):
    """The arrow keys move among takes with an image; Escape returns to the frame."""
    page.goto(sheet.as_uri())
    page.click(".shot[data-shot=s01] a.frame")
    viewed = page.locator("#view h2")
    expect(viewed).to_have_text("s01 · take 1")
    expect(page.locator("#stage img")).to_have_js_property("naturalWidth", 96)
    expect(page.locator("#view-caption")).to_contain_text("noir")
    expect(page.locator("#position")).to_have_text("2 / 4")
    moves = ("ArrowRight", "s03"), ("ArrowRight", "<b>s05"), ("ArrowRight", "<b>s05")
    for key, shot_id in (*moves, ("ArrowLeft", "s03")):
        page.keyboard.press(key)
        expect(viewed).to_have_text(f"{shot_id} · take 1")
    page.keyboard.press("Escape")
    expect(page.locator("#view")).to_be_hidden()
    expect(page.locator(".shot[data-shot=s03] a.frame")).to_be_focused()


def test_the_loupe_follows_the_filter(page, sheet):
    """Filtered shots are passed over."""
    page.goto(sheet.as_uri())
    page.fill("#filter", "rain")
    page.locator(".shot[data-shot=s01] a.frame").focus()
    page.keyboard.press("Enter")
    page.click("#next")
    expect(page.locator("#view h2")).to_have_text("s03 · take 1")
    expect(page.locator("#next")).to_be_disabled()
    page.click("#close")
    expect(page.locator("#view")).to_be_hidden()


def test_takes_are_compared_in_the_loupe(page, tmp_path):
    """Side by side, a click chooses one of them."""
    two_takes_each(tmp_path, "1A")
    page.goto(write_page(tmp_path).as_uri())
    page.locator("a.frame").first.click()
    page.keyboard.press("s")
    expect(page.locator("#stage img")).to_have_count(2)
    page.locator("#stage figure").nth(1).click()
    expect(page.locator("#view h2")).to_have_text("1A · take 2")
    page.keyboard.press("p")
    expect(page.locator("#stage figure[data-mark=picked] figcaption")).to_have_text("2")
