"""Logging in to `stills serve`, in a browser."""

import functools
import http.server
import threading

import pytest
from playwright.sync_api import expect
from tests.support.boards import two_takes_each
from tests.support.browser import PHONE, running_chromium, watched_page

from stills.review.record import end_run


@pytest.fixture(scope="module")
def chromium():
    with running_chromium() as browser:
        yield browser


@pytest.fixture
def server(serve, run, tmp_path):
    """A service with a key, an image and a board, and the key."""
    two_takes_each(tmp_path / "out", "1A")
    end_run(tmp_path / "out", "Film")
    key = run("keys", "add", "ann").stdout.strip()
    server = serve("--sandbox", "--review", "out")
    bearer = {"Authorization": f"Bearer {key}"}
    server.id = server.ask({"prompt": "a kite", "size": "512*512"}, **bearer)["id"]
    server.key = key
    return server


def log_in(page, key):
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Log in").click()


def test_a_key_opens_the_gallery_and_the_reviews(chromium, server, run):
    """Until the browser logs out, or the key is revoked."""
    with watched_page(chromium, server.url, viewport=PHONE) as watched:
        page = watched.page
        page.goto(f"{server.url}/gallery/{server.id}")
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
        expect(page.get_by_label("API key")).to_be_focused()
        watched.errors.clear()  # the browser reports the status
        log_in(page, server.key[:-1] + "!")
        expect(page.get_by_role("alert")).to_have_text("This service does not accept the key.")
        watched.errors.clear()
        log_in(page, server.key)
        expect(page.locator("h1")).to_have_text("a kite")
        assert page.url == f"{server.url}/gallery/{server.id}"
        expect(page.locator("dl")).to_contain_text("your key ann")
        expect(page.locator("#copy-curl")).to_contain_text("Bearer $OPENAI_API_KEY")
        page.get_by_role("link", name="Review out").click()
        page.locator('.take[data-take="1A-2"]').get_by_role("button", name="Pick").click()
        expect(page.locator(".take.picked")).to_have_attribute("data-take", "1A-2")
        page.goto(server.url)
        page.get_by_role("button", name="Log out").click()
        expect(page.get_by_label("API key")).to_be_visible()
        assert page.context.cookies() == []
        log_in(page, server.key)
        expect(page.locator("#images .frame")).to_have_count(1)
        assert run("keys", "revoke", "ann").returncode == 0
        page.wait_for_timeout(1100)  # as long as the service remembers a key
        page.reload()
        expect(page.get_by_label("API key")).to_be_visible()
        watched.errors.clear()


class OtherSite(http.server.BaseHTTPRequestHandler):
    """A page of another site, with a link to the service and a form that posts to it."""

    def __init__(self, *arguments, url):
        self.url = url
        super().__init__(*arguments)

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        page = f"""<a href="{self.url}/">link</a>
            <form method=post action="{self.url}/logout"><button>post</button></form>
            <img src="{self.url}/gallery/x/thumbnail.jpg">"""
        self.wfile.write(page.encode())

    def log_message(self, *_):
        pass


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_another_site_can_link_here_and_no_more(chromium, server, host):
    """Neither another host nor another port of this one can use the session."""
    other = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(OtherSite, url=server.url)
    )
    threading.Thread(target=other.serve_forever, daemon=True).start()
    context = chromium.new_context()
    try:
        page = context.new_page()
        page.goto(server.url)
        log_in(page, server.key)
        expect(page.locator("#images .frame")).to_have_count(1)
        elsewhere = f"http://{host}:{other.server_port}/"
        page.goto(elsewhere)
        page.get_by_role("button", name="post").click()
        page.wait_for_url(f"{server.url}/logout")
        expect(page.locator("body")).to_contain_text(
            "requests from other web pages are not allowed"
        )
        page.goto(elsewhere)
        page.get_by_text("link").click()
        expect(page.locator("#images .frame")).to_have_count(1)
    finally:
        context.close()
        other.shutdown()
        other.server_close()
