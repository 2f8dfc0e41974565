"""The documentation site: it builds, its links work, and it needs no other host."""

import asyncio
import re
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import pytest
from mkdocs.exceptions import Abort
from playwright.sync_api import Browser
from tests.docs import site as builder
from tests.docs.http_api_page import read_document
from tests.support.browser import PHONE, WIDE, running_chromium, watched_page
from tests.support.documents import DOCUMENTS, ROOT, prose

import stills
from stills.contract import errors

FITS = "document.documentElement.scrollWidth <= innerWidth"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built strictly: a link without a target, or a page outside the menu, fails."""
    folder = tmp_path_factory.mktemp("site") / "site"
    builder.build_site(folder)
    return folder


@pytest.fixture(scope="module")
def url(site: Path) -> Iterator[str]:
    """The site on a server of this machine."""
    handler = partial(_Quiet, directory=str(site))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.fixture
def browser() -> Iterator[Browser]:
    """A browser, which is closed before the site is built again: both use an event loop."""
    with running_chromium() as chromium:
        yield chromium


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass


def pages(site: Path) -> list[str]:
    """List the addresses of all pages, from the root of the site."""
    return sorted(
        path.parent.relative_to(site).as_posix() + "/" for path in site.rglob("index.html")
    )


def test_every_page_fits_the_window_and_requests_no_other_host(
    site: Path, url: str, browser: Browser
):
    """In a browser, each page loads from the site only, without errors; tables scroll inside it."""
    addresses = pages(site)
    assert {"./", "python-api/", "errors/"} <= {*addresses}
    with watched_page(browser, url) as watched:
        for address in addresses:
            watched.page.goto(url + address)
            for size in (WIDE, PHONE):
                watched.page.set_viewport_size(size)
                watched.page.wait_for_function(FITS)  # after a script has wrapped the tables
        assert len(watched.requests) > len(addresses)


def test_the_search_finds_a_page_by_its_words(url: str, browser: Browser):
    """The search runs in the browser, with an index that is part of the site."""
    with watched_page(browser, url) as watched:
        watched.page.goto(url)
        watched.page.locator(".md-search__input").fill("possibly billed")
        first = watched.page.locator(".md-search-result__item a").first
        first.wait_for()
        assert first.get_attribute("href")


def test_every_public_name_is_in_the_python_reference(site: Path):
    """Each name of `stills.__all__` has an entry with its docstring."""
    page = (site / "python-api" / "index.html").read_text(encoding="utf-8")
    names = [name for name in stills.__all__ if name != "__version__"]
    assert [name for name in names if f'id="stills.{name}"' not in page] == []


def test_every_error_class_is_on_the_page_of_errors(site: Path):
    """Each class that Python programs can catch is listed."""
    page = (site / "errors" / "index.html").read_text(encoding="utf-8")
    classes = [
        name
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, errors.StillsError)
    ]
    assert [one for one in classes if one not in page and one != "StillsError"] == []


def test_every_route_of_the_service_is_on_the_page_of_routes(site: Path):
    """The page has each route of the service's own OpenAPI document, with its fields."""
    document = asyncio.run(read_document())
    page = (site / "http-api" / "index.html").read_text(encoding="utf-8")
    text = re.sub(r"<[^>]+>", "", page)
    for path, operations in document["paths"].items():
        assert f"{next(iter(operations)).upper()} {path}" in text
    assert "negative_prompt" in text


@pytest.mark.parametrize("link", ["no-such-page.md", "index.md#no-such-heading", "/index.md"])
def test_a_link_without_a_target_fails_the_build(
    link: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """So does an anchor without a heading, and an address from the root of a server."""

    def write_pages(folder: Path) -> None:
        folder.mkdir()
        (folder / "index.md").write_text(f"[a link]({link})\n", encoding="utf-8")

    monkeypatch.setattr(builder, "copy_pages", write_pages)
    with pytest.raises(Abort, match="1 warnings"):
        builder.build_site(tmp_path / "site", nav=["index.md"], plugins=[])


def test_links_to_other_sites_are_well_formed():
    """Each is an https URL with a host; they are not requested."""
    for document in DOCUMENTS:
        for link in re.findall(r"\]\((https?:[^)\s]+)\)", prose(document)):
            parts = urlsplit(link)
            assert parts.scheme == "https", link
            assert "." in parts.netloc, link


def test_the_site_is_not_in_the_repository():
    """It is built into a folder that Git ignores."""
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert builder.SITE.relative_to(ROOT).parts[0] + "/" in ignored
