"""A browser for the tests of pages."""

import pytest
from tests.support.browser import running_chromium, watched_page


@pytest.fixture(scope="module")
def chromium():
    with running_chromium() as browser:
        yield browser


@pytest.fixture
def watched(chromium):
    with watched_page(chromium, "file://") as watched:
        yield watched


@pytest.fixture
def page(watched):
    """A page that must end without errors and without requests to the network."""
    return watched.page
