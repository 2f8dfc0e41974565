"""The page of a board in a real browser, opened from disk."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from playwright.sync_api import expect
from tests.support.boards import decide, entry_of, find, two_takes_each, write_board
from tests.support.browser import PHONE, watched_page
from tests.support.finished_shots import done, failed, result, shot, write_png

from stills.batch.manifest_entry import ManifestEntry
from stills.contract.errors import (
    Billing,
    ConnectionLost,
    ContentRefused,
    InvalidRequest,
    OutputRefused,
)
from stills.review import marking
from stills.review.page.document import write_page
from stills.review.record import end_run
from stills.shotlist.shots import Outcome, ShotReference

HOSTILE = """</script><script>alert(1)</script></style><img src=x onerror=alert(2)>
<!-- <iframe src=https://example.com> " onload="alert(3)" ' ${alert(4)} $title \u202eevil\u200b"""
ENTRIES = [
    ManifestEntry.of(done("kira", prompt="A courier", is_portrait=True), "images/kira.png"),
    ManifestEntry.of(
        done("s01", prompt="Rain on glass", style="noir", duration_seconds=2.5, dialogue=HOSTILE),
        "images/s01.png",
    ),
    ManifestEntry.of(
        failed("s02", ContentRefused("no, <b>", request_id="r-1"), prompt="A refused one")
    ),
    ManifestEntry.of(
        Outcome(shot("s03", "In the <rain>"), result(cached=True, cost_usd=0.0)), "images/雨.png"
    ),
    ManifestEntry.of(Outcome(shot("s04", "Not yet"))),
    ManifestEntry.of(done("<b>s05", prompt=HOSTILE), "images/a?b#c%20'.png"),
]
FILM = ["s01", "s02", "s03", "s04", "<b>s05"]


@pytest.fixture
def sheet(tmp_path):
    write_board(tmp_path, *ENTRIES)
    end_run(tmp_path, f"Act <one> {HOSTILE}")
    return tmp_path / "index.html"


def written(folder, *entries):
    """Write a board, and return its page as text."""
    return write_page(write_board(folder, *entries)).read_text()


def shown(page):
    return page.locator("#shots .shot:visible h2").all_text_contents()


def totals(page):
    return page.locator(".totals div").evaluate_all(
        "all => Object.fromEntries(all.map(e => [...e.children].map(c => c.textContent)))"
    )


def test_every_shot_is_a_frame_in_order(page, sheet):
    """Portraits have a row of their own; images load whatever their names contain."""
    page.goto(sheet.as_uri())
    assert shown(page) == FILM
    assert page.locator(".cast h2").all_text_contents() == ["kira"]
    page.keyboard.press("End")
    images = page.locator(".frame img")
    expect(images).to_have_count(4)
    for number in range(4):
        images.nth(number).scroll_into_view_if_needed()
        expect(images.nth(number)).to_have_js_property("naturalWidth", 96)


def test_frames_show_their_own_shot_ids(page, tmp_path):
    """The edge of the film has the shot and its take."""
    two_takes_each(tmp_path, "1A", "2A")
    page.goto(write_page(tmp_path).as_uri())
    edges = page.locator(".edge").all_text_contents()
    assert edges == ["1A▸ 1", "1A▸ 2", "2A▸ 1", "2A▸ 2"]


def test_takes_are_side_by_side(page, tmp_path):
    """All frames have the same size, and a shot is as wide as its takes."""
    two_takes_each(tmp_path, "1A", "2A", "3A")
    page.goto(write_page(tmp_path).as_uri())
    first, second, third = (
        page.locator(".frame").nth(number).bounding_box() for number in range(3)
    )
    assert first["y"] == second["y"] == third["y"]
    assert first["width"] == pytest.approx(second["width"], abs=1)
    assert second["x"] == pytest.approx(first["x"] + first["width"], abs=2)


def test_a_frame_shows_the_details_of_its_shot(page, sheet):
    """They are prompt, size, seed, cost, length and status."""
    page.goto(sheet.as_uri())
    frame = page.locator(".shot[data-shot=s01]").text_content()
    for part in ("s01", "Rain on glass", "96*64", "seed", "7", "0.075 USD", "2.5 s"):
        assert part in frame
    assert "from catalog" in page.locator(".shot[data-shot=s03]").text_content()
    assert "not started" in page.locator(".shot[data-shot=s04]").text_content()


def test_a_failure_is_shown_with_code_and_action(page, sheet):
    """The frame has the message, the action and the service's request id."""
    page.goto(sheet.as_uri())
    frame = page.locator(".take.failed").text_content()
    for part in ("content_refused", "no, <b>", ContentRefused.default_action, "r-1"):
        assert part in frame


def test_the_top_of_the_page_has_the_totals(page, sheet):
    """Portraits are images, but not shots."""
    page.goto(sheet.as_uri())
    assert totals(page) == {
        "shots": "5",
        "images": "4",
        "picked": "0",
        "rejected": "0",
        "asked for": "0",
        "from the catalog": "1",
        "failed": "1",
        "not started": "1",
        "billed": "0.225 USD",
    }


def test_references_are_shown_in_order(page, tmp_path):
    """Images in the folder are shown; others only have their label or file name."""
    references = (
        ShotReference(shot="kira", member="kira"),
        ShotReference(shot="gone", label="The <b>boat"),
        ShotReference(image="https://example.com/a/coat.png?Signature=SECRET"),
    )
    kira = entry_of(replace(shot("kira"), is_portrait=True))
    entry = ManifestEntry.of(done(references=references), "images/s01.png")
    path = write_page(write_board(tmp_path, kira, entry))
    page.goto(path.as_uri())
    items = page.locator(".references li")
    assert items.all_text_contents() == ["kira", "The <b>boat", "coat.png"]
    assert [items.nth(number).locator("img").count() for number in range(3)] == [1, 0, 0]
    page.locator(".references img").scroll_into_view_if_needed()
    expect(page.locator(".references img")).to_have_js_property("naturalWidth", 96)
    assert "SECRET" not in path.read_text()


def test_the_prompt_is_shown_as_it_was_written(page, tmp_path):
    """What was added about its references is next to them, and in the form for another take."""
    text = "Reference image 1 shows Kira. Reference image 2 shows Ben."
    entry = ManifestEntry.of(
        done("1A", prompt=f"two at sea. {text}", reference_text=text), "images/1A.png"
    )
    page.goto(write_page(write_board(tmp_path, entry)).as_uri())
    assert page.locator(".prompt").text_content() == "two at sea."
    assert page.locator("img").get_attribute("alt") == "1A: two at sea."
    page.get_by_role("button", name="Another 1A, take 1").click()
    expect(page.locator("#take-prompt")).to_have_value(f"two at sea. {text}")


def test_every_control_has_a_name_of_its_own(page, tmp_path):
    """Somebody who hears the page knows which take a button is for."""
    two_takes_each(tmp_path, "1A", "2A")
    page.goto(write_page(tmp_path).as_uri())
    names = [
        one.get_attribute("aria-label") or one.text_content()
        for one in page.get_by_role("button").all()
    ]
    assert len(names) > 4 * 4  # takes and their buttons
    assert len(set(names)) == len(names)


def test_sandbox_costs_and_unknown_prices_are_marked(tmp_path):
    """Sandbox images cost no real money; images of unknown price are only counted."""
    outcomes = [
        Outcome(shot("a"), result(provider="sandbox")),
        Outcome(shot("b"), result(cost_usd=None)),
        failed("c", ConnectionLost(billing=Billing.POSSIBLE)),
    ]
    page = written(tmp_path, *map(ManifestEntry.of, outcomes))
    assert "<dt>billed (simulated)</dt><dd>0.075 USD</dd>" in page
    assert "<dt>unknown price</dt><dd>+ 1</dd>" in page
    assert "0.075 USD (simulated)" in page
    assert "<dt>possibly billed</dt><dd>+ 1</dd>" in page
    assert "Possibly billed." in page


def test_a_billed_image_without_a_file_is_a_failure(tmp_path):
    """Its frame says that it was billed, and its cost is in the totals."""
    outcome = Outcome(shot("a"), result(), OutputRefused("no room", billing=Billing.BILLED))
    page = written(tmp_path, ManifestEntry.of(outcome))
    assert "<dt>failed</dt><dd>1</dd>" in page
    assert "<dt>billed</dt><dd>0.075 USD</dd>" in page
    assert "<dt>possibly billed</dt>" not in page
    assert "no room. " in page
    assert " Billed.</p>" in page
    assert 'href="./' not in page


def test_an_interrupted_shot_shows_that_it_may_be_billed(tmp_path):
    """Its frame and the totals distinguish it from a shot that was never started."""
    outcomes = [Outcome(shot("a"), billing=Billing.POSSIBLE), Outcome(shot("b"))]
    page = written(tmp_path, *map(ManifestEntry.of, outcomes))
    first, second = page.split('<li class="shot')[1:]
    assert "interrupted" in first
    assert "<dd>possibly billed</dd>" in first
    for name, value in (("interrupted", "1"), ("not started", "1"), ("possibly billed", "+ 1")):
        assert f"<dt>{name}</dt><dd>{value}</dd>" in page
    assert "not started" in second


@pytest.mark.parametrize(
    ("words", "ids"),
    [
        ("rain", ["s01", "s03"]),
        ("RAIN glass", ["s01"]),
        ("failed", ["s02"]),
        ("content_refused", ["s02"]),
        ("from catalog", ["s03"]),
        ("s0", FILM),
        ("nothing like it", []),
    ],
)
def test_the_filter_shows_shots_with_all_the_words(page, sheet, words, ids):
    """It searches id, prompt, status and error code, in any letter case."""
    page.goto(sheet.as_uri())
    page.keyboard.press("/")
    page.keyboard.type(words)
    expect(page.locator("#shown")).to_have_text(f"{len(ids)} of 5" if len(ids) < 5 else "5 shots")
    assert shown(page) == ids
    expect(page.locator("#none")).to_be_visible(visible=not ids)


def test_hostile_text_stays_text(page, sheet):
    """Nothing in a prompt, dialogue, an id, a comment or a title becomes markup."""
    decide(sheet.parent, "s01", marking.comment, HOSTILE, by="</script><b>Ann")
    page.goto(write_page(sheet.parent).as_uri())
    assert page.title().startswith("Act <one> </script>")
    hostile = page.locator(".shot").nth(5)
    assert hostile.locator(".prompt").text_content() == HOSTILE
    assert page.locator(".dialogue").text_content() == HOSTILE
    assert page.locator(".comments li").text_content().startswith(HOSTILE.strip())
    assert (
        page.locator("iframe, h2 b, .by b, body > script:not(:nth-last-child(-n+2))").count() == 0
    )
    hostile.locator("a.frame").click()
    expect(page.locator("#view h2")).to_have_text("<b>s05 · take 1")


@pytest.mark.parametrize("shot_id", ["__proto__", "constructor", 'a"b', "\u202e1A"])
def test_any_id_can_be_decided_about(page, tmp_path, shot_id):
    """Ids that are names or quotes of the script's language are only ids."""
    write_board(tmp_path, replace(entry_of(shot(shot_id)), file="images/x.png"))
    page.goto(write_page(tmp_path).as_uri())
    page.locator("a.frame").focus()
    page.keyboard.press("x")
    expect(page.locator(".take.rejected")).to_have_count(1)


def test_the_security_policy_blocks_injected_markup(chromium, sheet):
    """Even if escaping failed, a script or a remote image would do nothing."""
    injected = (
        "<script>document.title='run'</script><img src=https://example.com/x.png>"
        "<p style='color:red' onclick='alert(1)'></p></body>"
    )
    sheet.write_text(sheet.read_text().replace("</body>", injected))
    context = chromium.new_context()
    page = context.new_page()
    blocked = []
    page.on("console", lambda message: blocked.append(message.text))
    page.goto(sheet.as_uri())
    assert page.title() != "run"
    assert len([text for text in blocked if "Content Security Policy" in text]) >= 3
    context.close()


@pytest.mark.parametrize("size", [PHONE, {"width": 1400, "height": 1000}], ids=["phone", "desktop"])
def test_nothing_is_wider_than_the_window(chromium, tmp_path, size):
    """The page never scrolls sideways, on a phone or on a desktop, in the loupe or a form."""
    two_takes_each(tmp_path, "1A", "A-very-long-id-" * 8)
    url = write_page(tmp_path).as_uri()
    is_phone = size is PHONE
    with watched_page(chromium, "file://", viewport=size, has_touch=is_phone) as watched:
        page = watched.page
        page.goto(url)
        width = "document.documentElement.scrollWidth"
        assert page.evaluate(width) == size["width"]
        page.locator("a.frame").first.click()
        assert page.evaluate("document.getElementById('view').scrollWidth") == size["width"]
        for name in ("Pick", "Reject", "Comment", "Another"):
            box = page.locator("#view-acts").get_by_text(name, exact=True).bounding_box()
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= size["width"]
        page.locator("#view-acts").get_by_text("Another").click()
        box = page.locator("#take-form").bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= size["width"]


class _Images(HTMLParser):
    def __init__(self):
        super().__init__()
        self.seen = []

    def handle_starttag(self, tag, attrs):
        if tag == "img" and dict(attrs).get("src"):
            self.seen.append(dict(attrs))


def test_images_load_lazily_with_size_and_alternative_text(sheet):
    """A page of thousands neither loads at once nor jumps, and works with a screen reader."""
    images = _Images()
    images.feed(sheet.read_text())
    assert len(images.seen) == 4
    for image in images.seen:
        assert (image["loading"], image["decoding"]) == ("lazy", "async")
        assert (image["width"], image["height"]) == ("96", "64")
        assert image["src"].startswith("./images/")
    assert images.seen[1]["alt"] == "s01: Rain on glass"


def test_the_page_has_no_external_addresses(sheet):
    """It is self-contained; addresses in prompts are text."""
    page = sheet.read_text().replace("src=https://example.com", "")
    page = page.replace("http://www.w3.org/2000/svg", "")  # a name, not an address
    assert [url for url in re.findall(r"https?://\S+", page) if url != "https://"] == []


def test_500_shots_load_only_what_is_seen(chromium, tmp_path):
    """Images load as the page is scrolled, and every shot can be reached by its filter."""
    entries = [entry_of(shot(f"s{number:03}")) for number in range(500)]
    write_board(tmp_path, *entries)
    path = write_page(tmp_path)
    with watched_page(chromium, "file://") as watched:
        page = watched.page
        page.goto(path.as_uri())
        page.wait_for_timeout(500)
        assert len([url for url in watched.requests if url.endswith(".png")]) < 100
        page.keyboard.press("End")
        expect(page.locator(".frame img").last).to_have_js_property("naturalWidth", 96)
        assert len([url for url in watched.requests if url.endswith(".png")]) < 300
        page.fill("#filter", "s250")
        expect(page.locator("#shown")).to_have_text("1 of 500")


def test_a_missing_thumbnail_is_replaced_by_its_image(watched, tmp_path):
    """The folder may have been copied without its thumbnails."""
    page = watched.page
    two_takes_each(tmp_path, "1A")
    path = write_page(tmp_path)
    text = path.read_text().replace('src="./images/1A.png"', 'src="./thumbnails/gone.jpg"')
    path.write_text(text)
    page.goto(path.as_uri())
    expect(page.locator(".frame img").first).to_have_js_property("naturalWidth", 96)
    (error,) = watched.errors
    assert "ERR_FILE_NOT_FOUND" in error
    watched.errors.clear()


def test_the_old_page_stays_when_the_new_one_fails(tmp_path):
    """The page is replaced atomically."""
    written(tmp_path, *ENTRIES)
    before = (tmp_path / "index.html").read_bytes()
    (tmp_path / "manifest.jsonl").write_text("{")
    with pytest.raises(InvalidRequest):
        write_page(tmp_path)
    assert (tmp_path / "index.html").read_bytes() == before


def test_a_page_that_cannot_be_written_is_refused(tmp_path):
    """Here a folder has its name."""
    write_board(tmp_path, *ENTRIES)
    (tmp_path / "index.html").mkdir()
    with pytest.raises(OutputRefused, match=r"index\.html"):
        write_page(tmp_path)


def test_marks_are_on_the_page_without_a_script(chromium, tmp_path):
    """A page that is printed or read without scripts shows the decisions."""
    two_takes_each(tmp_path, "1A")
    decide(tmp_path, "1A", marking.reject, find(tmp_path, "1A", "1")[1])
    decide(tmp_path, "1A", marking.comment, "too dark")
    write_png(tmp_path / "images" / "x.png")
    url = write_page(tmp_path).as_uri()
    with watched_page(chromium, "file://", java_script_enabled=False) as watched:
        watched.page.goto(url)
        assert watched.page.locator(".take.rejected").count() == 1
        which = "getComputedStyle(document.querySelector('.rejected .which'), '::after').content"
        assert watched.page.evaluate(which) == '" · rejected"'
        assert watched.page.locator(".comments").text_content() == "too dark"
