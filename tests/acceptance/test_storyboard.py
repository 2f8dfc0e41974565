"""A film goes from its shot list to the editor, with the commands and the browser of its makers.

The list is a workbook as a production keeps it: 24 shots in four scenes, a cast of three. The story
is one test, and each of its steps a function: plan, generate, review, generate again, hand over.
"""

import csv
import json
import signal
import subprocess
import wave
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import opentimelineio as otio
from openpyxl import Workbook
from playwright.sync_api import Page, expect
from pypdf import PdfReader
from tests.support.batch_command import by_id, read_lines
from tests.support.browser import running_chromium, watched_page

LIST = Path(__file__).with_name("lighthouse.csv")
PRICE_USD = 0.035
FPS = 24
SIZE = "320*180"
MODEL = "qwen-image-2.0"

CAST = """\
cast:
  Anna: a tall young woman in a yellow raincoat
  Keeper: {prompt: an old man with a white beard, label: the keeper of the lighthouse}
  Dog: {prompt: a small grey dog with a red collar, size: 180*180}
"""
PORTRAITS = ["cast-Anna", "cast-Keeper", "cast-Dog"]
SHOTS = [f"{scene}{shot}" for scene in (1, 2, 3, 4) for shot in "ABCDEF"]
SECONDS = dict(
    zip(
        SHOTS,
        (4, 3.5, 2.5, 3, 2, 4, 3, 2.5, 2.5, 1.5, 4, 3, 3, 2.5, 1.5, 3, 3.5, 5, 4, 3, 4, 2, 4, 6),
        strict=True,
    )
)
REJECTED = {
    "1E": "the letter must be open",
    "2D": None,
    "3B": "too dark;\nhold it longer",
    "4D": None,
}
PICKED = [shot for shot in SHOTS if shot not in REJECTED]
GIVEN_UP = "2D"
FILM = [shot for shot in SHOTS if shot != GIVEN_UP]


@dataclass(frozen=True)
class Production:
    """The folder of a production, and its `stills` command."""

    folder: Path
    stills: Callable[..., subprocess.CompletedProcess[str]]
    start: Callable[..., subprocess.Popen[str]]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command that must succeed."""
        done = self.stills(*arguments)
        assert done.returncode == 0, done.stderr
        return done

    def billed(self) -> tuple[int, float]:
        """Read the ledger: images that were billed, and their price in USD."""
        lines = [json.loads(line) for line in self.run("spend", "--json").stdout.splitlines()]
        assert all(line["possible"] == 0 for line in lines)
        return sum(line["billed"] for line in lines), sum(line["billed_usd"] for line in lines)

    def exported(self, form: str) -> Path:
        """Hand the film over as `form`."""
        output = f"film.{form}"
        done = self.run("export", "film", "--to", form, "-o", output)
        assert done.stdout == f"{output}\n"
        assert done.stderr.splitlines() == [
            f"23 shots, {film_seconds():.1f} s, 23 picked",
            f"  skipped, because all their images are rejected: 1 ({GIVEN_UP})",
        ]
        return self.folder / output


def test_a_film_goes_from_its_shot_list_to_the_editor(run, command, environment, tmp_path):
    """Counts, bills and files are right at each step, from the first plan to the last export."""
    production = Production(tmp_path, run, start_in(tmp_path, command, environment))
    write_list(tmp_path)
    plan(production)
    generate(production)
    with reviewing(production) as page:
        decide(page)
        generate_again(production, page)
        decide_about_the_new_takes(page)
    check_the_folder(production)
    hand_over_to_editing(production)
    print_the_storyboard(production)
    tabulate(production)
    make_the_animatic(production)
    assert production.billed() == (55, 1.925)


def write_list(folder: Path) -> None:
    """Write the workbook, with scenes that are named only once, and the cast."""
    book = Workbook()
    with LIST.open(encoding="utf-8", newline="") as rows:
        for row in csv.reader(rows):
            book.active.append([cell or None for cell in row])
    book.save(folder / "lighthouse.xlsx")
    (folder / "cast.yaml").write_text(CAST, encoding="utf-8")


def batch(production: Production, *options: str) -> subprocess.CompletedProcess[str]:
    """Run `stills batch` on the list, with two takes of each shot."""
    return production.stills(
        "batch", "lighthouse.xlsx", "--cast", "cast.yaml", "--weave", "--takes", "2",
        "--size", SIZE, "--model", MODEL, "--rate", "none", "--sandbox", "-o", "film", *options,
    )  # fmt: skip


def plan(production: Production) -> None:
    """The plan names an unknown column once, with the option; then it counts and adds up."""
    refused = batch(production, "--dry-run")
    assert refused.returncode == 2
    assert refused.stderr.splitlines()[0].startswith(
        "lighthouse.xlsx:1: Props: unknown column 'Props'."
    )
    assert "--ignore-columns Props leaves it out" in refused.stderr
    planned = batch(production, "--dry-run", "--ignore-columns", "Props")
    assert planned.stderr == "note: not used for stills: Location\n"
    summary, *lines = planned.stdout.splitlines()
    assert summary == (
        f"24 shots and 3 portraits, 51 images: 0 stored already, 51 new with {MODEL} "
        "(about 1.785 USD)"
    )
    takes = [take for shot in SHOTS for take in (shot, f"{shot}-2")]
    assert lines == [f"  {one}: new, {PRICE_USD} USD" for one in PORTRAITS + takes]
    assert not (production.folder / "film").exists()
    assert production.billed() == (0, 0)


def generate(production: Production) -> None:
    """Every take has its image, its words and its portraits; a second run costs nothing."""
    options = ("--ignore-columns", "Props", "--max-cost", "1.785", "--yes")
    made = batch(production, *options)
    assert made.returncode == 0, made.stderr
    assert "51 new, 0 from the catalog; billed 1.785 USD (simulated)" in made.stderr
    entries = by_id(production.folder / "film")
    assert {entry["status"] for entry in entries.values()} == {"done"}
    assert [entry for entry in entries if "take_of" not in entries[entry]] == PORTRAITS + SHOTS
    assert {one: entries[one]["duration_seconds"] for one in SHOTS} == SECONDS
    assert entries["1D"]["dialogue"] == "ANNA: The ferry.\nKEEPER: I see."
    assert entries["4E-2"]["needs"] == PORTRAITS
    assert entries["1B"]["request"]["prompt"].startswith(
        "Medium, low angle, 35mm. Anna walks up the stone steps"
    )
    images = list((production.folder / "film" / "images").iterdir())
    assert len(images) == 51
    assert "0 new, 51 from the catalog; billed 0.00 USD" in batch(production, *options).stderr
    assert production.billed() == (51, 1.785)


def start_in(folder: Path, command: list[str], environment: dict[str, str]):
    """Return a function that starts a `stills` command in a folder."""

    def start(*arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*command, *arguments], env=environment, cwd=folder, stdout=subprocess.PIPE, text=True
        )

    return start


@contextmanager
def reviewing(production: Production) -> Iterator[Page]:
    """Open the review in a browser, and end it with Ctrl-C."""
    review = production.start("review", "film", "--sandbox", "--rate", "none", "--max-cost", "0.14")
    try:
        address = review.stdout.readline().split()[1]
        with (
            running_chromium() as chromium,
            watched_page(chromium, address.partition("/review/")[0]) as watched,
        ):
            watched.page.goto(address)
            yield watched.page
        review.send_signal(signal.SIGINT)
        assert review.wait(60) == 0
    finally:
        review.kill()
        review.wait()
        review.stdout.close()


def act(page: Page, take: str, name: str) -> None:
    """Press a button below a take."""
    page.locator(f'.take[data-take="{take}"]').get_by_role("button", name=name).click()


def count(page: Page, number: str) -> str:
    """Read a number at the top of the page."""
    return page.locator(f".totals .{number} dd").inner_text()


def decide(page: Page) -> None:
    """Pick the second take of 20 shots, reject the first of four, and comment on two of them."""
    expect(page.locator("#shots .shot")).to_have_count(24)
    expect(page.locator(".cast .shot")).to_have_count(3)
    for shot in PICKED:
        act(page, f"{shot}-2", "Pick")
    for shot, comment in REJECTED.items():
        act(page, shot, "Reject")
        if comment is not None:
            act(page, shot, "Comment")
            page.fill("#comment-text", comment)
            page.click("#comment-send")
    expect(page.locator(".take.picked")).to_have_count(20)
    expect(page.locator(".take.rejected")).to_have_count(4)
    expect(page.locator(".comments li")).to_have_count(2)
    assert (count(page, "picked"), count(page, "rejected")) == ("20", "4")


def generate_again(production: Production, page: Page) -> None:
    """The rejects are generated again, for the price that was shown."""
    expect(page.locator("#generate")).to_have_text("Generate 4 · 0.14 USD")
    page.click("#generate")
    expect(page.locator("#run-price")).to_contain_text(f"4 takes with {MODEL}: 0.14 USD")
    expect(page.locator("#run-price")).to_contain_text("cap 0.14 USD")
    assert production.billed() == (51, 1.785)
    page.click("#run-send")
    expect(page.locator("#note")).to_contain_text("4 new; billed 0.14 USD", timeout=60_000)
    for shot in REJECTED:
        expect(page.locator(f'.take[data-take="{shot}-r1"] img')).to_have_count(1)
    assert production.billed() == (55, 1.925)


def decide_about_the_new_takes(page: Page) -> None:
    """Pick three of them, and give up the fourth shot."""
    for shot in REJECTED.keys() - {GIVEN_UP}:
        act(page, f"{shot}-r1", "Pick")
    for take in (f"{GIVEN_UP}-2", f"{GIVEN_UP}-r1"):
        act(page, take, "Reject")
    expect(page.locator(".take.picked")).to_have_count(23)
    expect(page.locator(".take.rejected")).to_have_count(6)


def check_the_folder(production: Production) -> None:
    """The manifest has every decision, and the page in the folder shows them without a server."""
    entries = read_lines(production.folder / "film" / "manifest.jsonl")
    assert Counter(entry.get("mark") for entry in entries) == {
        "picked": 23,
        "rejected": 6,
        None: 26,
    }
    assert [entry["id"] for entry in entries if entry.get("retake")] == [
        f"{one}-r1" for one in REJECTED
    ]
    commented = {entry["id"]: entry["comments"] for entry in entries if "comments" in entry}
    assert commented == {one: [text] for one, text in REJECTED.items() if text is not None}
    assert len(list((production.folder / "film" / "images").iterdir())) == 55
    page = (production.folder / "film" / "index.html").read_text(encoding="utf-8")
    assert page.count('class="take done picked"') == 23


def film_seconds() -> float:
    return sum(SECONDS[shot] for shot in FILM)


def chosen(shot: str) -> str:
    """Return the file of the take that stands for a shot."""
    return f"images/{shot}-{'r1' if shot in REJECTED else '2'}.png"


def hand_over_to_editing(production: Production) -> None:
    """OTIO, FCPXML and EDL have the picks in order, for their durations, with the comments.

    Those were on the rejected takes, so they say which.
    """
    said = [" ".join(text.split()) for text in REJECTED.values() if text is not None]
    comments = [f"take 1: {text}" for text in said]
    for form in ("otio", "fcpxml", "edl"):
        file = production.exported(form)
        more = {"rate": FPS} if form == "edl" else {}
        clips = list(otio.adapters.read_from_file(str(file), **more).find_clips())
        assert [clip.name for clip in clips] == FILM, form
        frames = [clip.duration().to_frames() for clip in clips]
        assert frames == [SECONDS[shot] * FPS for shot in FILM], form
        urls = [Path(clip.media_reference.target_url).name for clip in clips]
        assert urls == [Path(chosen(shot)).name for shot in FILM], form
        if form == "edl":
            text = file.read_text(encoding="utf-8")
            assert text.count("* PICKED\n") == 23
            assert all(f"* COMMENT: {comment}\n" in text for comment in comments)
            assert "* DIALOGUE: ANNA: The ferry. KEEPER: I see.\n" in text
        else:
            markers = [marker.name for clip in clips for marker in clip.markers]
            assert markers == comments, form


def print_the_storyboard(production: Production) -> None:
    """23 frames on four pages, each with its id, duration, words and comment."""
    pages = PdfReader(production.exported("pdf")).pages
    texts = [page.extract_text().replace("\0", "") for page in pages]
    assert [text.count(" picked") for text in texts] == [6, 6, 6, 5]
    for number, shot in enumerate(FILM):
        assert shot in texts[number // 6]
        assert f"{SECONDS[shot]:.2f} s" in texts[number // 6]
    assert "the letter must be open" in texts[0]
    assert "ANNA: The ferry. KEEPER: I see." in texts[0]
    assert "誰かいますか" in texts[1]
    words_as_pictures = [0, 0, 1, 1]  # an emoji and Arabic are not in the font
    frames = [
        len(page.images) - drawn for page, drawn in zip(pages, words_as_pictures, strict=True)
    ]
    assert frames == [6, 6, 6, 5]


def tabulate(production: Production) -> None:
    """The table has a row per shot, for everything that reads no timeline."""
    with production.exported("csv").open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["id"] for row in rows] == FILM
    assert [float(row["duration"]) for row in rows] == [SECONDS[shot] for shot in FILM]
    assert [row["file"] for row in rows] == [chosen(shot) for shot in FILM]
    assert {row["pick"] for row in rows} == {"picked"}


def make_the_animatic(production: Production) -> None:
    """The film has sound, lasts as long as its shots, and is not replaced by a shorter one."""
    with wave.open(str(production.folder / "music.wav"), "wb") as music:
        music.setnchannels(1)
        music.setsampwidth(2)
        music.setframerate(8000)
        music.writeframes(bytes(2 * 8000 * 120))
    made = production.run("animatic", "film", "-o", "film.mp4", "--burn-in", "--audio", "music.wav")
    assert made.stderr.splitlines() == [
        f"23 shots, {film_seconds():.1f} s, {SIZE} at 24 frames per second",
        f"  skipped, because all their images are rejected: 1 ({GIVEN_UP})",
    ]
    probed = subprocess.run(
        ["ffprobe", "-v", "error", "-count_packets", "-show_streams", "-show_format", "-of", "json",
         str(production.folder / "film.mp4")],
        capture_output=True, check=True,
    )  # fmt: skip
    found = json.loads(probed.stdout)
    picture, sound = found["streams"]
    assert (picture["codec_type"], sound["codec_type"]) == ("video", "audio")
    assert int(picture["nb_read_packets"]) == film_seconds() * FPS
    assert abs(float(found["format"]["duration"]) - film_seconds()) < 0.1
    for take in ("1", "2"):
        production.run("pick", "4F", take, "--reject", "-o", "film")
    shorter = production.stills("animatic", "film", "-o", "film.mp4")
    assert shorter.returncode != 0
    assert "film.mp4 is longer than the new film" in shorter.stderr
