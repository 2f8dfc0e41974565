"""Make the screenshots of the documentation, in docs/images: run this file as a program.

The pictures on them are made by the sandbox. The film is made in a temporary folder.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyvips
from playwright.sync_api import Browser, Page

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.support.browser import PHONE, running_chromium  # noqa: E402

IMAGES = ROOT / "docs" / "images"
DESKTOP = {"width": 1280, "height": 800}
QUALITY = 82

FILM = """\
title: Last Ferry
style: 35mm film, muted colours
seed: 4
cast:
  anna:
    prompt: Anna, a ferry mechanic of about fifty in a grey boiler suit, portrait
shots:
  - {id: 1A, duration: 4, prompt: "Wide: the last ferry leaves the pier at dusk"}
  - {id: 1B, duration: 2.5, prompt: "Close on a hand that lets go of the rope"}
  - {id: 2A, duration: 3, cast: [anna], prompt: "Anna stands at the railing and looks back"}
  - {id: 2B, duration: 3, cast: [anna], prompt: "Anna in the engine room, lit by one lamp"}
  - {id: 3A, duration: 5, prompt: "The empty pier from above, first snow"}
"""
DECISIONS = (
    ("1A", "2"),
    ("1B", "1", "--reject", "--comment", "The rope is gone too soon."),
    ("2A", "1"),
    ("2B", "2", "--another", "--prompt", "Anna in the engine room, lit by one lamp, from behind"),
)
MORE_IMAGES = (
    ("A lighthouse keeper's kitchen at night", "16:9"),
    ("Location: the harbour office, rain on the window", "16:9"),
    ("The wheelhouse, empty, its lamp still on", "16:9"),
)
Shoot = Callable[[Page], None]


@contextmanager
def film() -> Iterator[tuple[Path, dict[str, str]]]:
    """Make a film of five shots, and decide about some of them."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        environment = {
            "PATH": os.environ["PATH"], "HOME": folder, "OUTPUT_DIR": str(place / "output"),
        }  # fmt: skip
        (place / "ferry.yaml").write_text(FILM, encoding="utf-8")
        stills(place, environment, "batch", "ferry.yaml", "-o", "ferry", "--sandbox", "--yes",
               "--model", "qwen-image-2.0", "--size", "1664*928", "--takes", "2")  # fmt: skip
        for decision in DECISIONS:
            stills(place, environment, "pick", *decision, "-o", "ferry")
        yield place, environment


def stills(folder: Path, environment: dict[str, str], *arguments: str) -> None:
    """Run a command to its end."""
    command = [sys.executable, "-m", "stills", *arguments]
    subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)


@contextmanager
def review(folder: Path, environment: dict[str, str]) -> Iterator[str]:
    """Run `stills review`, and yield its address."""
    command = [sys.executable, "-m", "stills", "review", "ferry", "--sandbox", "--max-cost", "2"]
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().split()[1]
        process.terminate()


@contextmanager
def gallery(folder: Path, environment: dict[str, str]) -> Iterator[str]:
    """Run `stills serve` with a few more images, and yield its address."""
    for prompt, size in MORE_IMAGES:
        stills(folder, environment, "generate", prompt, "--sandbox", "--size", size,
               "--model", "qwen-image-2.0", "--style", "35mm film, muted colours")  # fmt: skip
    command = [sys.executable, "-m", "stills", "serve", "--sandbox", "--port", "0"]
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().split()[3].removesuffix("/v1")
        process.terminate()


def open_take(page: Page) -> None:
    """Open the page of an image that has another take."""
    page.locator("#images .frame", has=page.get_by_alt_text("railing")).first.click()
    page.wait_for_timeout(1500)


def shoot(
    browser: Browser, url: str, name: str, shoot: Shoot, *, scheme: str = "light", **size: int
) -> None:
    """Open a page, prepare it, and write what it shows as docs/images/NAME.webp."""
    context = browser.new_context(viewport=size, color_scheme=scheme, device_scale_factor=1)
    page = context.new_page()
    page.goto(url)
    page.wait_for_timeout(1500)  # events keep a live page busy
    shoot(page)
    page.wait_for_timeout(500)
    picture = pyvips.Image.new_from_buffer(page.screenshot(), "")
    IMAGES.mkdir(exist_ok=True)
    picture.webpsave(str(IMAGES / f"{name}.webp"), Q=QUALITY, effort=6, keep="none")
    context.close()
    print(IMAGES / f"{name}.webp")


def press(*keys: str) -> Shoot:
    """Return a preparation that presses keys."""

    def pressed(page: Page) -> None:
        for key in keys:
            page.keyboard.press(key)

    return pressed


def scroll_to_shots(page: Page) -> None:
    """Show the shots below the bar that stays at the top."""
    page.evaluate("scrollTo(0, document.getElementById('shots').offsetTop - 60)")


def main(arguments: Sequence[str]) -> None:
    """Make all screenshots, or those whose names begin with one of the arguments."""
    with film() as (folder, environment), running_chromium() as browser:
        page = (folder / "ferry" / "index.html").as_uri()
        for name, size, scheme, keys in (
            ("review-phone", PHONE, "light", ()),
            ("review-loupe", DESKTOP, "dark", ("ArrowDown", "ArrowDown", "Enter", "s")),
        ):
            if not arguments or name.startswith(tuple(arguments)):
                shoot(browser, page, name, press(*keys), scheme=scheme, **size)
        if not arguments or "review".startswith(tuple(arguments)):
            with review(folder, environment) as url:
                shoot(browser, url, "review", scroll_to_shots, **DESKTOP)
        if not arguments or "gallery".startswith(tuple(arguments)):
            with gallery(folder, environment) as url:
                shoot(browser, url, "gallery", press(), scheme="dark", **DESKTOP)
                shoot(browser, url, "gallery-image", open_take, scheme="dark", **DESKTOP)


if __name__ == "__main__":
    main(sys.argv[1:])
