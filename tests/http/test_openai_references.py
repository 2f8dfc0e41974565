"""References of OpenAI's clients and its dialects: order, names in errors, and limits."""

import base64
import hashlib
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
import pyvips
from tests.support.running_service import serving

from stills.app import Stills
from stills.http.settings import Settings
from stills.sandbox import Sandbox
from stills.web.guarded_download import GuardedDownload

EDIT = {"prompt": "two kites", "size": "512x512", "model": "qwen-image-2.0"}


def png(width: int) -> bytes:
    return bytes(
        pyvips.Image.black(width, 32, bands=3).copy(interpretation="srgb").pngsave_buffer()
    )


ONE, TWO, THREE = png(32), png(33), png(34)


def data_url(image: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(image).decode()


def digests(*images: bytes) -> tuple[str, ...]:
    return tuple(hashlib.sha256(image).hexdigest() for image in images)


def form(*images: tuple[str, str | bytes]) -> aiohttp.FormData:
    made = aiohttp.FormData(EDIT, default_to_multipart=True)
    for name, image in images:
        named = {"filename": "a.png"} if isinstance(image, bytes) else {}
        made.add_field(name, image, **named)
    return made


async def test_files_and_links_of_a_form_keep_their_order(
    url: str, http: aiohttp.ClientSession, sandbox: Sandbox
):
    """Under all names that clients give them."""
    given = [("image", ONE), ("image[]", data_url(TWO)), ("image[2]", THREE)]
    for images in (given, given[::-1]):
        async with http.post(f"{url}/v1/images/edits", data=form(*images)) as answer:
            assert answer.status == 200, await answer.text()
    assert [send.references for send in sandbox.ledger.generations] == [
        digests(ONE, TWO, THREE),
        digests(THREE, TWO, ONE),
    ]


@pytest.mark.parametrize("path", ["/v1/images/generations", "/v1/images/edits", "/v1/images"])
@pytest.mark.parametrize(
    "fields",
    [
        {"image": [data_url(ONE), data_url(TWO)]},
        {"images": [{"image_url": data_url(ONE)}, {"image_url": data_url(TWO)}]},
        {
            "input_references": [
                {"type": "image_url", "image_url": {"url": data_url(one)}} for one in (ONE, TWO)
            ]
        },
        {"image": data_url(ONE), "images": [data_url(TWO)]},
    ],
    ids=["DashScope", "OpenAI", "OpenRouter", "two fields"],
)
async def test_json_has_references_in_the_form_of_each_dialect(
    url: str, http: aiohttp.ClientSession, sandbox: Sandbox, path: str, fields: dict[str, Any]
):
    """On every route that generates, in order."""
    async with http.post(f"{url}{path}", json=EDIT | fields) as answer:
        assert answer.status == 200, await answer.text()
        assert (await answer.json())["data"][0]["b64_json"]
    (send,) = sandbox.ledger.generations
    assert send.references == digests(ONE, TWO)


@pytest.mark.parametrize(
    ("fields", "param", "words"),
    [
        ({"image": 5}, "image", "neither text nor an object"),
        ({"image": [data_url(ONE), None]}, "image[1]", "neither text nor an object"),
        ({"images": [{"file_id": "file-1"}]}, "images[0]", "has no files"),
        ({"images": [{"image_url": {"url": 1}}]}, "images[0]", "neither text nor an object"),
        ({"input_references": [data_url(ONE), ""]}, "input_references[1]", "is empty"),
        ({"input_references": [data_url(ONE), data_url(b"text")]}, "input_references[1]", "text"),
        ({"images": [data_url(ONE)] * 4}, "images", "4 reference images, 1 over"),
        ({"image": data_url(b"text")}, "image", "text"),
    ],
)
async def test_an_error_names_the_client_s_field(
    url: str,
    http: aiohttp.ClientSession,
    sandbox: Sandbox,
    fields: dict[str, Any],
    param: str,
    words: str,
):
    """With the index of the reference, counted from 0; nothing is sent."""
    async with http.post(f"{url}/v1/images/generations", json=EDIT | fields) as answer:
        assert answer.status == 400
        error = (await answer.json())["error"]
    assert error["param"] == param
    assert words in error["message"]
    assert "reference_image" not in error["message"]
    assert not sandbox.ledger.generations


async def test_references_of_this_service_are_read_wherever_they_are_in_the_list(
    url: str, http: aiohttp.ClientSession, sandbox: Sandbox
):
    """A portrait that was generated here is one of several references."""
    async with http.post(f"{url}/v1/images/generations", json={"prompt": "Ada"}) as answer:
        portrait = (await answer.json())["data"][0]
    body = EDIT | {"image": [data_url(ONE), portrait["url"]]}
    async with http.post(f"{url}/v1/images/generations", json=body) as answer:
        assert answer.status == 200, await answer.text()
    stored = base64.b64decode(portrait["b64_json"])
    assert sandbox.ledger.generations[-1].references == digests(ONE, stored)


async def test_an_idempotency_key_covers_the_order_of_references(
    url: str, http: aiohttp.ClientSession, sandbox: Sandbox
):
    """A retry of the form gets the same answer; with another order it is another request."""
    headers = {"Idempotency-Key": "a-1"}
    statuses = []
    for images in ([ONE, TWO], [ONE, TWO], [TWO, ONE]):
        body = form(*(("image[]", image) for image in images))
        async with http.post(f"{url}/v1/images/edits", data=body, headers=headers) as answer:
            statuses.append(answer.status)
    assert statuses == [200, 200, 409]
    assert len(sandbox.ledger.generations) == 1


async def test_the_contract_takes_a_list(url: str, http: aiohttp.ClientSession, sandbox: Sandbox):
    """In order, after the single reference; the stored image lists them."""
    body = EDIT | {"reference_image": data_url(ONE), "reference_images": [data_url(TWO)]}
    async with http.post(f"{url}/v1/image.generate", json=body) as answer:
        assert answer.status == 200, await answer.text()
        image_id = (await answer.json())["id"]
    assert sandbox.ledger.generations[0].references == digests(ONE, TWO)
    async with http.get(f"{url}/v1/images/{image_id}") as answer:
        shown = (await answer.json())["references"]
    assert [one["digest"] for one in shown] == list(digests(ONE, TWO))


@pytest.mark.parametrize(
    "hostile",
    ["https://127.0.0.1/a.png", "https://metadata.internal/a.png", "/etc/passwd", "file:///a.png"],
)
async def test_no_reference_of_a_list_escapes_the_guard(
    make_stills: Callable[..., Awaitable[Stills]],
    http: aiohttp.ClientSession,
    sandbox: Sandbox,
    hostile: str,
):
    """A stranger can't hide an address of the private network behind a harmless first image."""
    stills = await make_stills(downloader=GuardedDownload())
    body = EDIT | {"reference_images": [data_url(ONE), hostile]}
    async with (
        serving(stills, Settings(model="qwen-image-2.0")) as url,
        http.post(f"{url}/v1/image.generate", json=body) as answer,
    ):
        assert answer.status == 400
        assert (await answer.json())["error"]["param"] == "reference_images[1]"
    assert not sandbox.ledger.sends
