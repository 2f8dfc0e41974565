"""The documentation of the API, in a browser without a network."""

from playwright.sync_api import expect
from tests.support.browser import running_chromium, watched_page


def test_a_request_is_tried_out_without_another_address(serve):
    """The page loads nothing from elsewhere, and its policy has nothing to refuse."""
    server = serve("--sandbox")
    with running_chromium() as chromium, watched_page(chromium, server.url) as watched:
        page = watched.page
        page.goto(f"{server.url}/docs")
        page.locator("#operations-OpenAI-list_models_v1_models_get button").first.click()
        page.get_by_role("button", name="Try it out").click()
        page.get_by_role("button", name="Execute").click()
        expect(page.locator(".responses-inner .live-responses-table")).to_contain_text("qwen-image")
        assert any(one.endswith("/v1/models") for one in watched.requests)
