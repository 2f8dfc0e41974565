"""Debian's Chromium, driven by Playwright: pages that are watched for errors and requests."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

WIDE = {"width": 1400, "height": 1000}
PHONE = {"width": 390, "height": 844}
_PATIENCE_MILLISECONDS = 120_000  # a busy machine took more than Playwright's own 30 seconds


@contextmanager
def running_chromium() -> Iterator[Browser]:
    """Start a browser for the duration of the body."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    assert program, "pages are tested in Chromium: apt-get install chromium"
    flags = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=flags)
        try:
            yield browser
        finally:
            browser.close()


class Watched:
    """A page with the addresses it requested and the errors it reported."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.requests: list[str] = []
        self.errors: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", self._add_message)

    def _add_message(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.errors.append(message.text)


@contextmanager
def watched_page(browser: Browser, own_addresses: str, **more: Any) -> Iterator[Watched]:
    """Open a page that must end without errors, and without requests to other addresses."""
    context = browser.new_context(**{"viewport": WIDE, "accept_downloads": True} | more)
    context.set_default_timeout(_PATIENCE_MILLISECONDS)
    try:
        watched = Watched(context.new_page())
        yield watched
        assert watched.errors == []
        others = [
            url for url in watched.requests if not url.startswith((own_addresses, "blob:", "data:"))
        ]
        assert others == []
    finally:
        context.close()
