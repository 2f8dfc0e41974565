"""The gallery of `stills serve` as people use it, in a browser."""

import json
import re
import shlex
import subprocess
import sys

import pytest
from playwright.sync_api import expect
from tests.support.browser import PHONE, running_chromium, watched_page

from stills.contract.image_kinds import find_kind

HOSTILE = "</title><script>document.title='pwned'</script><img src=x onerror=alert(1)> it's $(id)"


@pytest.fixture(scope="module")
def chromium():
    with running_chromium() as browser:
        yield browser


@pytest.fixture
def server(serve):
    """A service with a sandbox and three images, and the ids of these."""
    server = serve("--sandbox")
    requests = (
        {"prompt": "a red kite over a beach", "size": "16:9", "style": "oil", "seed": 1},
        {"prompt": "a red kite over a beach", "size": "16:9", "style": "oil", "seed": 2},
        {"prompt": HOSTILE, "size": "512*512", "seed": 3},
    )
    server.ids = [server.ask(one)["id"] for one in requests]
    return server


def test_images_are_found_looked_at_and_downloaded(chromium, server, tmp_path):
    """By clicks, without a request to another address."""
    with watched_page(chromium, server.url) as watched:
        page = watched.page
        page.goto(server.url)
        expect(page.locator("#images .frame")).to_have_count(3)
        page.fill("[name=q]", "beach kite")
        page.click("search button")
        expect(page.locator("#images .frame")).to_have_count(2)
        assert page.url == f"{server.url}/?q=beach+kite"
        thumbnail = page.locator("#images img").first
        expect(thumbnail).to_have_attribute("alt", "a red kite over a beach")
        expect(thumbnail).to_have_js_property("naturalWidth", 512)
        page.locator("#images .frame").first.click()
        expect(page.locator("h1")).to_have_text("a red kite over a beach")
        expect(page.locator(".large img")).to_have_js_property("naturalWidth", 1360)
        expect(page.locator(".takes .frame")).to_have_count(2)
        page.locator(".takes .frame").first.click()
        expect(page.locator("dl")).to_contain_text(server.ids[0])
        page.fill("[name=size]", "320x180")
        page.select_option("[name=format]", "webp")
        with page.expect_download() as download:
            page.get_by_role("button", name="Download").click()
        download.value.save_as(tmp_path / "kite.webp")
        assert download.value.suggested_filename.endswith(".webp")
        page.get_by_role("link", name="Search results").click()
        expect(page.locator("[name=q]")).to_have_value("beach kite")
    assert find_kind((tmp_path / "kite.webp").read_bytes()[:32]) == "image/webp"


def test_the_copied_commands_return_the_image(chromium, server, environment, tmp_path):
    """Each is run as it was copied, and the program finds the same image, free of charge."""
    before = set((tmp_path / "output").rglob("*.png"))
    with watched_page(chromium, server.url) as watched:
        page = watched.page
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.goto(f"{server.url}/gallery/{server.ids[2]}")
        copied = {}
        for name in ("curl", "Python", "CLI"):
            if name != "curl":
                page.get_by_text(name, exact=True).click()
            page.get_by_role("button", name=f"Copy {name}").click()
            expect(page.locator(f"[data-copy='copy-{name}']")).to_have_text("Copied")
            copied[name] = page.evaluate("navigator.clipboard.readText()")

    def run(*command: str) -> str:
        done = subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60,
            check=True,
        )  # fmt: skip
        return done.stdout

    assert json.loads(run("bash", "-c", copied["curl"]))["id"] == server.ids[2]
    generation = server.ids[2].partition("-")[0]
    assert generation in run(sys.executable, "-c", copied["Python"])
    stills = f'stills() {{ {shlex.quote(sys.executable)} -m stills "$@"; }}; {copied["CLI"]}'
    assert generation in run("bash", "-c", stills)
    assert set((tmp_path / "output").rglob("*.png")) == before


def test_a_hostile_prompt_is_inert(chromium, server):
    """On both pages, in the title and in a search; the policy has nothing to refuse."""
    with watched_page(chromium, server.url) as watched:
        page = watched.page
        for address in ("", f"gallery/{server.ids[2]}", '?q="><script>alert(1)</script>'):
            page.goto(f"{server.url}/{address}")
            assert "pwned" not in page.title().removeprefix(HOSTILE[:80])
            expect(page.locator("script")).to_have_count(1)
            expect(page.locator("img[src=x]")).to_have_count(0)


def test_the_policy_refuses_what_a_page_does_not_contain(chromium, server):
    """An injected script, a style and a picture of another address have no effect."""
    with watched_page(chromium, server.url) as watched:
        page = watched.page
        page.goto(server.url)
        page.evaluate(
            """() => {
                document.body.insertAdjacentHTML("beforeend", "<b style='color: red' id=b>b</b>");
                const script = document.createElement("script");
                script.textContent = "document.title = 'pwned'";
                document.body.append(script);
            }"""
        )
        assert page.title() == "Stills"
        colour = page.evaluate("getComputedStyle(document.getElementById('b')).color")
        assert colour != "rgb(255, 0, 0)"
        assert len(watched.errors) == 2
        watched.errors.clear()  # the browser reports what it refused


def test_the_gallery_is_used_by_keyboard(chromium, server):
    """Search, move between images, open one, go to its neighbours, and back."""
    with watched_page(chromium, server.url) as watched:
        page = watched.page
        page.goto(server.url)
        page.keyboard.press("/")
        page.keyboard.type("kite")
        page.keyboard.press("Enter")
        expect(page.locator("#images .frame")).to_have_count(2)
        page.locator("body").press("ArrowRight")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Enter")
        expect(page.locator("dl")).to_contain_text(server.ids[0])
        page.keyboard.press("ArrowLeft")
        expect(page.locator("dl")).to_contain_text(server.ids[1])
        page.keyboard.press("ArrowRight")
        expect(page.locator("dl")).to_contain_text(server.ids[0])
        page.keyboard.press("Escape")
        expect(page.locator("[name=q]")).to_have_value("kite")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_fit_a_phone(chromium, server, scheme):
    """Nothing is wider than the screen; fingers find what they need."""
    with watched_page(chromium, server.url, viewport=PHONE, color_scheme=scheme) as watched:
        page = watched.page
        for address in ("", f"gallery/{server.ids[0]}", f"gallery/{server.ids[2]}", "?q=nothing"):
            page.goto(f"{server.url}/{address}")
            assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
        page.goto(server.url)
        for button in page.locator("button").all():
            assert button.bounding_box()["height"] >= 40


def test_everything_has_a_name(chromium, server):
    """Pictures have a text, and fields and buttons a label, for those who don't see them."""
    with watched_page(chromium, server.url) as watched:
        page = watched.page
        for address in ("", f"gallery/{server.ids[0]}"):
            page.goto(f"{server.url}/{address}")
            tree = page.locator("body").aria_snapshot()
            unnamed = re.findall(
                r"- (?:img|link|button|textbox|searchbox|combobox)(?::|$| \[)", tree
            )
            assert unnamed == [], tree
            expect(page.locator("h1")).to_have_count(1)


def test_an_empty_gallery_offers_the_first_command(chromium, serve):
    """It can be copied, and the image appears."""
    server = serve("--sandbox")
    with watched_page(chromium, server.url) as watched:
        page = watched.page
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.goto(server.url)
        expect(page.get_by_role("heading", name="Generate the first image")).to_be_visible()
        page.get_by_role("button", name="Copy").click()
        command = page.evaluate("navigator.clipboard.readText()")
        subprocess.run(["bash", "-c", command], check=True, capture_output=True, timeout=60)
        page.reload()
        expect(page.locator("#images .frame")).to_have_count(1)


def test_a_service_for_programs_has_no_gallery(serve, chromium):
    """With `--no-gallery`, its address says what there is."""
    server = serve("--sandbox", "--no-gallery")
    with watched_page(chromium, server.url) as watched:
        answer = watched.page.goto(server.url)
        assert answer.status == 404
        watched.errors.clear()  # the browser reports the status
