"""The contact sheet in a real browser."""

import re
import tracemalloc
from contextlib import closing
from html.parser import HTMLParser

import pytest
from tests.support.browser import Tab, running_chromium
from tests.support.finished_shots import done, failed, result, shot, write_png

from stills.batch.contact_sheet.page import write_contact_sheet
from stills.batch.image_files import ImageNames
from stills.batch.manifest_entry import ManifestEntry
from stills.batch.totals import RunTotals
from stills.contract.errors import Billing, ConnectionLost, ContentRefused, OutputRefused
from stills.shotlist.shots import Outcome, ShotReference

NAMES = ImageNames(())
HOSTILE = """</script><script>alert(1)</script></style><img src=x onerror=alert(2)>
<!-- <iframe src=https://example.com> " onload="alert(3)" ' ${alert(4)} $title"""
ENTRIES = [
    ManifestEntry.of(done("kira", prompt="A courier", is_portrait=True), "images/kira.png"),
    ManifestEntry.of(done("s01", prompt="Rain on glass", style="noir"), "images/s01.png"),
    ManifestEntry.of(
        failed("s02", ContentRefused("no, <b>", request_id="r-1"), prompt="A refused one")
    ),
    ManifestEntry.of(
        Outcome(shot("s03", "In the <rain>"), result(cached=True, cost_usd=0.0)), "images/雨.png"
    ),
    ManifestEntry.of(Outcome(shot("s04", "Not yet"))),
    ManifestEntry.of(done("<b>s05", prompt=HOSTILE), "images/a?b#c%20'.png"),
]


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    with running_chromium(tmp_path_factory.mktemp("profile")) as address:
        yield address


@pytest.fixture
def tab(chromium):
    """A tab that must end without errors and without requests to the network."""
    with closing(Tab(*chromium)) as tab:
        yield tab
        tab.run("null")
        assert tab.errors == []
        assert [url for url in tab.requests if not url.startswith("file://")] == []


@pytest.fixture
def sheet(tmp_path):
    for entry in ENTRIES:
        if entry.file:
            write_png(tmp_path / entry.file)
    return write_contact_sheet(
        tmp_path, f"Act <one> {HOSTILE}", iter(ENTRIES), RunTotals(usd=0.225), NAMES
    )


SHOWN = "[...document.querySelectorAll('.frame:not([hidden]) h2')].map(e => e.textContent)"
VIEWED = "document.querySelector('#view[open] h2')?.textContent ?? null"


def text(tab, selector):
    return tab.run(f"document.querySelector({selector!r}).textContent")


def test_every_shot_is_a_frame_in_order(tab, sheet):
    """Images load from the output folder, whatever their names contain."""
    tab.open(sheet)
    assert tab.run(SHOWN) == ["kira", "s01", "s02", "s03", "s04", "<b>s05"]
    tab.run("window.scrollTo(0, 9e9)")
    tab.wait_for("[...document.querySelectorAll('.film img')].every(i => i.naturalWidth === 96)")
    tab.wait_for("[...document.querySelectorAll('.film img')].length === 4")


def test_a_frame_shows_the_details_of_its_shot(tab, sheet):
    """They are prompt, size, seed, cost and status."""
    tab.open(sheet)
    frame = text(tab, ".frame:nth-child(2)")
    for part in ("s01", "done", "Rain on glass", "96*64", "seed", "7", "0.075 USD"):
        assert part in frame
    assert "from catalog" in text(tab, ".frame:nth-child(4)")
    assert "portrait" in text(tab, ".frame:nth-child(1)")
    assert "not started" in text(tab, ".frame:nth-child(5)")


def test_a_failure_is_shown_with_code_and_action(tab, sheet):
    """The frame has the message, the action and the service's request id."""
    tab.open(sheet)
    frame = text(tab, ".frame.failed")
    for part in ("content_refused", "no, <b>", ContentRefused.default_action, "r-1"):
        assert part in frame


def test_the_top_of_the_page_has_the_totals(tab, sheet):
    """They are the numbers of shots and images, and the money."""
    tab.open(sheet)
    totals = tab.run("[...document.querySelectorAll('.totals div')].map(e => e.textContent)")
    assert totals == [
        "shots6",
        "done4",
        "from the catalog1",
        "failed1",
        "not started1",
        "spent0.225 USD",
    ]


def test_references_are_shown_in_order(tab, tmp_path):
    """Images in the folder are thumbnails; others only have their label or file name."""
    references = (
        ShotReference(shot="kira", member="kira"),
        ShotReference(shot="gone", label="The <b>boat"),
        ShotReference(image="https://example.com/a/coat.png?Signature=SECRET"),
    )
    entry = ManifestEntry.of(done(references=references), "images/s01.png")
    for name in ("kira", "s01"):
        write_png(tmp_path / "images" / f"{name}.png")
    sheet = write_contact_sheet(tmp_path, "t", [entry], RunTotals(), NAMES)
    tab.open(sheet)
    items = "[...document.querySelectorAll('.references li')]"
    assert tab.run(f"{items}.map(e => e.textContent)") == ["kira", "The <b>boat", "coat.png"]
    assert tab.run(f"{items}.map(e => e.querySelectorAll('img').length)") == [1, 0, 0]
    shown = "document.querySelector('.references img')"
    tab.run(f"{shown}.scrollIntoView()")
    assert tab.run(f"{shown}.decode().then(() => {shown}.naturalWidth)") == 96
    assert "SECRET" not in sheet.read_text()


def test_takes_are_counted_as_images_of_a_shot(tab, tmp_path):
    """Each has its own frame with its number."""
    entries = [ManifestEntry.of(done("s1")), ManifestEntry.of(done("s1-2", take=2, take_of="s1"))]
    sheet = write_contact_sheet(tmp_path, "t", entries, RunTotals(), NAMES)
    tab.open(sheet)
    totals = tab.run("[...document.querySelectorAll('.totals div')].map(e => e.textContent)")
    assert totals[:2] == ["shots1", "images2"]
    tags = tab.run("[...document.querySelectorAll('.tag')].map(e => e.textContent)")
    assert tags == ["done", "done", "take 2"]
    assert tab.run("document.querySelector('#shown').textContent") == "2 frames"


def test_sandbox_costs_and_unknown_prices_are_marked(tmp_path):
    """Sandbox images cost no real money; images of unknown price are only counted."""
    outcomes = [
        Outcome(shot("a"), result(provider="sandbox")),
        Outcome(shot("b"), result(cost_usd=None)),
        failed("c", ConnectionLost(billing=Billing.POSSIBLE)),
    ]
    totals = RunTotals(usd=0.075, unpriced=1, possible=1, simulated=True)
    page = write_contact_sheet(
        tmp_path, "t", map(ManifestEntry.of, outcomes), totals, NAMES
    ).read_text()
    assert "<dt>spent (simulated)</dt><dd>0.075 USD</dd>" in page
    assert "<dt>unknown price</dt><dd>+ 1</dd>" in page
    assert "<dt>spent</dt>" not in page
    assert "0.075 USD (simulated)" in page
    assert "<dt>possibly billed</dt><dd>+ 1</dd>" in page
    assert "Possibly billed." in page


def test_a_billed_image_without_a_file_is_a_failure(tmp_path):
    """Its frame says that it was billed, and its cost is in the totals."""
    outcome = Outcome(shot("a"), result(), OutputRefused("no room", billing=Billing.BILLED))
    page = write_contact_sheet(
        tmp_path, "t", [ManifestEntry.of(outcome)], RunTotals(usd=0.075), NAMES
    ).read_text()
    assert "<dt>failed</dt><dd>1</dd>" in page
    assert "<dt>spent</dt><dd>0.075 USD</dd>" in page
    assert "<dt>done</dt><dd>0</dd>" in page
    assert "<dt>possibly billed</dt>" not in page
    assert "no room. " in page
    assert " Billed.</p>" in page
    assert 'href="./' not in page


def test_an_interrupted_shot_shows_that_it_may_be_billed(tmp_path):
    """Its frame and the totals distinguish it from a shot that was never started."""
    outcomes = [Outcome(shot("a"), billing=Billing.POSSIBLE), Outcome(shot("b"))]
    totals = RunTotals(possible=1)
    page = write_contact_sheet(
        tmp_path, "t", map(ManifestEntry.of, outcomes), totals, NAMES
    ).read_text()
    first, second = page.split('class="frame ')[1:]
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
        ("portrait", ["kira"]),
        ("s0", ["s01", "s02", "s03", "s04", "<b>s05"]),
        ("nothing like it", []),
    ],
)
def test_the_filter_shows_shots_with_all_the_words(tab, sheet, words, ids):
    """It searches id, prompt, status and error code, in any letter case."""
    tab.open(sheet)
    tab.press("/")
    tab.type(words)
    tab.wait_for(f"document.getElementById('shown').value === '{len(ids)} of 6'")
    assert tab.run(SHOWN) == ids
    assert tab.run("document.getElementById('none').hidden") is bool(ids)


def test_a_click_opens_full_size_and_keys_move_on(tab, sheet):
    """The arrow keys move among shots with an image; Escape returns to the frame."""
    tab.open(sheet)
    tab.click(".frame:nth-child(2) img")
    tab.wait_for(f"{VIEWED} === 's01'")
    tab.wait_for("document.getElementById('view-image').naturalWidth === 96")
    assert "noir" in text(tab, "#view-caption")
    assert text(tab, "#position") == "2 / 4"
    moves = ("ArrowRight", "s03"), ("ArrowRight", "<b>s05"), ("ArrowRight", "<b>s05")
    for key, shot_id in (*moves, ("ArrowLeft", "s03")):
        tab.press(key)
        tab.wait_for(f"{VIEWED} === {shot_id!r}")
    tab.press("Escape")
    tab.wait_for(f"{VIEWED} === null")
    tab.wait_for("decodeURI(document.activeElement.href).includes('雨')")


def test_full_size_follows_the_filter_and_opens_by_keyboard(tab, sheet):
    """Enter opens a frame; filtered frames are passed over."""
    tab.open(sheet)
    tab.press("/")
    tab.type("rain")
    tab.run("document.querySelector('.frame:nth-child(2) a').focus()")
    tab.press("Enter")
    tab.wait_for(f"{VIEWED} === 's01'")
    tab.click("#next")
    tab.wait_for(f"{VIEWED} === 's03'")
    assert tab.run("document.getElementById('next').disabled") is True
    tab.click("#close")
    tab.wait_for(f"{VIEWED} === null")


def test_hostile_text_stays_text(tab, sheet):
    """Nothing in a prompt, an id or a title becomes markup."""
    tab.open(sheet)
    assert tab.run("document.title").startswith("Act <one> </script>")
    prompt = tab.run("document.querySelector('.frame:nth-child(6) .prompt').textContent")
    assert prompt == HOSTILE
    assert tab.run("document.querySelectorAll('iframe, h2 b, script:not(:last-child)').length") == 0
    tab.click(".frame:nth-child(6) img")
    tab.wait_for(f"{VIEWED} === '<b>s05'")


def test_the_security_policy_blocks_injected_markup(chromium, sheet):
    """Even if escaping failed, a script or a remote image would do nothing."""
    injected = "<script>document.title='run'</script><img src=https://example.com/x.png></body>"
    sheet.write_text(sheet.read_text().replace("</body>", injected))
    with closing(Tab(*chromium)) as tab:
        tab.open(sheet)
        assert tab.run("document.title") != "run"
        assert len([error for error in tab.errors if "Content Security Policy" in error]) == 2


@pytest.mark.parametrize("width", [390, 1400])
def test_nothing_is_wider_than_the_window(tab, sheet, width):
    """The page never scrolls sideways, on a phone or on a desktop."""
    tab.open(sheet, width=width)
    assert tab.run("document.documentElement.scrollWidth") == width
    first = "document.querySelector('.frame').getBoundingClientRect().width"
    assert tab.run(first) == pytest.approx(390 if width == 390 else 322, abs=40)


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
    assert re.findall(r"https?://", page) == []


def test_memory_stays_constant_for_many_frames(tmp_path):
    """Frames are written one by one."""
    entry = ManifestEntry.of(done(prompt="p" * 500), "images/x.png")
    tracemalloc.start()
    page = write_contact_sheet(tmp_path, "many", (entry for _ in range(5_000)), RunTotals(), NAMES)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert page.stat().st_size > 5_000_000
    assert peak < 1_000_000


def test_the_old_sheet_stays_when_the_new_one_fails(tmp_path):
    """The page is replaced atomically."""

    def fail():
        yield ENTRIES[0]
        raise ZeroDivisionError

    write_contact_sheet(tmp_path, "old", [], RunTotals(), NAMES)
    with pytest.raises(ZeroDivisionError):
        write_contact_sheet(tmp_path, "new", fail(), RunTotals(), NAMES)
    assert [file.name for file in tmp_path.iterdir()] == ["index.html"]
    assert "old" in (tmp_path / "index.html").read_text()


def test_a_sheet_that_cannot_be_written_is_refused(tmp_path):
    """Here a folder has its name."""
    (tmp_path / "index.html").mkdir()
    with pytest.raises(OutputRefused, match=r"index\.html"):
        write_contact_sheet(tmp_path, "t", [], RunTotals(), NAMES)
