"""Stored images as JSON, over HTTP."""

import re
from datetime import UTC, datetime

import aiohttp
import pytest

from stills import ImageRequest
from stills.app import Stills

PROMPTS = ("a red kite", "100% ink", "a RED barn", "100 inks")


@pytest.fixture
async def kept(stills: Stills) -> list[str]:
    """The ids of four images, newest first."""
    ids = []
    for seed, prompt in enumerate(PROMPTS):
        style = "ink" if seed % 2 else None
        request = ImageRequest(
            prompt=prompt, size="512*512", seed=seed, style=style, negative_prompt="fog"
        )
        ids.append((await stills.generate(request)).id)
    return ids[::-1]


async def ask(
    http: aiohttp.ClientSession, url: str, **query: str | int
) -> tuple[int, dict[str, object]]:
    async with http.get(url, params=query) as answer:
        return answer.status, await answer.json()


def ids_of(body: dict[str, object]) -> list[str]:
    return [record["id"] for record in body["data"]]


async def test_an_empty_catalog_is_an_empty_page(http, url):
    """It has no images and no next page."""
    assert await ask(http, f"{url}/v1/images") == (
        200,
        {"object": "list", "data": [], "has_more": False, "next_cursor": None},
    )


async def test_a_record_has_everything_about_an_image(http, url, stills, kept):
    """Its URL opens, its time is in UTC, and a single record has the API calls."""
    _, body = await ask(http, f"{url}/v1/images", limit=1)
    (record,) = body["data"]
    image = await stills.images.find(kept[0])
    assert datetime.fromisoformat(record.pop("created_at")) == datetime.fromtimestamp(
        image.generation.created_at, UTC
    )
    assert record == {
        "id": kept[0],
        "image_url": f"{url}/images/{kept[0]}.png",
        "width": 512,
        "height": 512,
        "seed": 3,
        "prompt": "100 inks",
        "negative_prompt": "fog",
        "style": "ink",
        "prompt_extend": True,
        "prompt_extend_mode": None,
        "enable_thinking": None,
        "references": [],
        "model": "qwen-image-max",
        "provider": image.generation.spec.provider,
        "native_size": "1328*1328",
        "price_usd": 0.075,
        "sha256": image.rendition.sha256,
        "object_path": image.rendition.object_path,
        "byte_count": image.rendition.byte_count,
        "notes": [],
    }
    async with http.get(record["image_url"]) as answer:
        assert answer.status == 200
    status, alone = await ask(http, f"{url}/v1/images/{kept[0]}")
    (send,) = alone.pop("sends")
    del alone["created_at"]
    assert (status, alone) == (200, record)
    assert send["billing"] == "billed"
    assert datetime.fromisoformat(send["sent_at"]).tzinfo is not None


async def test_pages_are_stable_while_images_are_added(http, url, stills, kept):
    """No image is shown twice or left out."""
    _, first = await ask(http, f"{url}/v1/images", limit=2)
    assert (ids_of(first), first["has_more"]) == (kept[:2], True)
    await stills.generate(ImageRequest(prompt="a newer one", size="512*512", seed=9))
    _, second = await ask(http, f"{url}/v1/images", limit=2, cursor=first["next_cursor"])
    assert (ids_of(second), second["has_more"], second["next_cursor"]) == (kept[2:], False, None)


@pytest.mark.parametrize(
    ("query", "prompts"),
    [
        ({"q": "red"}, ["a RED barn", "a red kite"]),
        ({"q": "100%"}, ["100% ink"]),
        ({"q": "_00"}, []),
        ({"q": "\\"}, []),
        ({"style": "ink"}, ["100 inks", "100% ink"]),
        ({"seed": 2}, ["a RED barn"]),
        ({"style": "ink", "q": "inks"}, ["100 inks"]),
        ({"model": "qwen-image"}, []),
        ({"provider": "elsewhere"}, []),
        ({"model": "qwen-image-max"}, list(PROMPTS[::-1])),
    ],
)
@pytest.mark.usefixtures("kept")
async def test_filters_combine(http, url, query, prompts):
    """Text matches anywhere in the prompt, without case or wildcards; the rest must be equal."""
    status, body = await ask(http, f"{url}/v1/images", **query)
    assert (status, [record["prompt"] for record in body["data"]]) == (200, prompts)


@pytest.mark.parametrize(
    "query",
    [
        {"cursor": "made-up"},
        {"cursor": "9" * 40},
        {"cursor": ""},
        {"limit": 0},
        {"limit": 101},
        {"limit": "ten"},
        {"seed": -1},
        {"promt": "kite"},
    ],
)
async def test_an_invalid_query_names_its_parameter(http, url, query):
    """The error has OpenAI's shape."""
    status, body = await ask(http, f"{url}/v1/images", **query)
    assert (status, body["error"]["param"]) == (400, next(iter(query)))
    assert body["error"]["type"] == "invalid_request_error"


async def test_the_document_describes_cursors_as_strictly_as_they_are_read(http, url, kept):
    """A generated client knows before the request what is accepted."""
    _, document = await ask(http, f"{url}/openapi.json")
    parameters = document["paths"]["/v1/images"]["get"]["parameters"]
    (schema,) = [one["schema"] for one in parameters if one["name"] == "cursor"]
    pattern = schema["anyOf"][0]["pattern"]
    _, first = await ask(http, f"{url}/v1/images", limit=2)
    assert re.fullmatch(pattern, first["next_cursor"])
    for wrong in ("made-up", "9" * 40, "", f"{first['next_cursor']}\n"):
        assert not re.search(pattern.replace("$", r"\Z"), wrong)
    assert kept


async def test_an_unknown_id_is_not_found(http, url, kept):
    """A prefix of an id is unknown too."""
    for unknown in (kept[0][:-1], kept[0].split("-")[0], "nothing"):
        status, body = await ask(http, f"{url}/v1/images/{unknown}")
        assert (status, body["error"]["code"]) == (404, "not_found")
