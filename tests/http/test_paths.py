"""Addresses as clients write them: base URLs, slashes, methods, and routes that are not served."""

import aiohttp
import openai
import pytest
import yarl

from stills.app import Stills
from stills.http.paths import UNSERVED, normalize_path
from stills.sandbox import Sandbox

KITE = {"prompt": "a red kite", "size": "512x512", "response_format": "url"}


@pytest.mark.parametrize(
    "path",
    [
        "/v1/images/generations/", "/v1//images/generations", "//v1/images//generations//",
        "/images/generations/", "/api/v1/images/generations", "/api/v1//images/generations/",
        "/openai/v1/images/generations", "/openai/deployments/gpt-image-1/images/generations",
    ],
)  # fmt: skip
async def test_slashes_and_base_urls_do_not_matter(
    url: str, http: aiohttp.ClientSession, path: str
):
    """People join base URLs and paths in every way."""
    async with http.post(f"{url}{path}", json=KITE) as answer:
        assert answer.status == 200, await answer.text()
        image = (await answer.json())["data"][0]["url"]
    async with http.get(image.replace("/images/", "//images//")) as got:
        assert got.content_type == "image/png"


@pytest.mark.parametrize(
    ("given", "page"),
    [
        ("/gallery/", "/"), ("/gallery//", "/"), ("/docs/", "/docs"), ("//docs", "/docs"),
        ("/login/", "/login"), ("//", "/"),
        ("/gallery/no-such-image/?q=a%20kite", "/gallery/no-such-image?q=a%20kite"),
    ],
)  # fmt: skip
async def test_a_page_with_more_slashes_leads_to_its_own_address(
    url: str, http: aiohttp.ClientSession, given: str, page: str
):
    """Its relative links would lead nowhere from another address."""
    async with http.get(yarl.URL(url + given, encoded=True), max_redirects=3) as answer:
        assert str(answer.url) == url + page
        assert answer.content_type == "text/html"


def test_the_root_stays_the_root():
    """It has slashes only."""
    assert normalize_path("/") == normalize_path("//") == "/"


async def test_azure_s_client_works_with_its_own_header(
    url: str, stills: Stills, http: aiohttp.ClientSession, sandbox: Sandbox
):
    """It sends the key as api-key, and the model in the path and in the body."""
    key = await stills.keys.add("azure")
    async with openai.AsyncAzureOpenAI(
        api_key=key, azure_endpoint=url, api_version="2025-04-01-preview"
    ) as client:
        answer = await client.images.generate(prompt="a red kite", model="qwen-image-max")
    assert answer.data
    assert len(sandbox.ledger.generations) == 1
    wrong = {"api-key": key[:-1] + ("a" if key[-1] != "a" else "b")}
    async with http.get(f"{url}/v1/models", headers=wrong) as refused:
        assert refused.status == 401


@pytest.mark.parametrize("prefix", ["/v1", "", "/api/v1"])
@pytest.mark.parametrize("path", UNSERVED)
async def test_a_route_that_is_not_served_names_the_one_that_makes_images(
    url: str, http: aiohttp.ClientSession, prefix: str, path: str
):
    """In the shape of OpenAI's errors, whatever the body is."""
    async with http.post(f"{url}{prefix}{path}", json={"model": "gpt-image-1"}) as answer:
        assert answer.status == 404
        error = (await answer.json())["error"]
    assert error["type"] == "invalid_request_error"
    assert "POST /v1/images/" in error["message"]


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/v1/images", "GET, HEAD, OPTIONS, POST"),
        ("/v1/image.generate", "OPTIONS, POST"),
        ("/v1/models", "GET, HEAD, OPTIONS"),
        ("/images/a.png", "GET, HEAD, OPTIONS"),
    ],
)
async def test_options_and_wrong_methods_list_what_an_address_supports(
    url: str, http: aiohttp.ClientSession, path: str, methods: str
):
    """Both have the header Allow; HEAD is GET without a body."""
    async with http.options(f"{url}{path}") as answer:
        assert (answer.status, answer.headers["Allow"]) == (204, methods)
    async with http.patch(f"{url}{path}") as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, methods)
        assert (await answer.json())["error"]["code"] == "not_served"
    if path != "/images/a.png":
        async with http.head(f"{url}{path}") as answer:
            assert answer.status == (200 if "HEAD" in methods else 405)
            assert await answer.read() == b""


@pytest.mark.parametrize("as_form", [False, True])
async def test_a_mask_is_refused(
    url: str, http: aiohttp.ClientSession, sandbox: Sandbox, as_form: bool
):
    """Without it, another part of the image would change, and be billed."""
    body: dict[str, object] = {"json": {"prompt": "a hat", "image": "x", "mask": "y"}}
    if as_form:
        form = aiohttp.FormData({"prompt": "a hat"})
        for name in ("image", "mask"):
            form.add_field(name, b"png", filename=f"{name}.png")
        body = {"data": form}
    async with http.post(f"{url}/v1/images/edits", **body) as answer:
        assert answer.status == 400
        error = (await answer.json())["error"]
    assert error["param"] == "mask"
    assert "the models have none" in error["message"]
    assert not sandbox.ledger.generations
