"""How images are returned to OpenAI's clients: formats, headers, refused content."""

import base64

import aiohttp
import openai
import pytest
import pyvips

from stills.contract.image_kinds import ImageKind, find_kind
from stills.sandbox import Fault, FaultKind, Sandbox

ALIASES = {"gpt-image-1": "qwen-image-max", "openai/gpt-image-2": "qwen-image-max"}


@pytest.mark.parametrize("name", ["gpt-image-1", "openai/gpt-image-2"])
async def test_an_aliased_gpt_image_model_returns_bytes_unless_a_url_is_requested(serve, name: str):
    """As OpenAI does: clients that prefer a URL reject those of loopback addresses."""
    host = await serve(model_aliases=ALIASES)
    async with openai.AsyncOpenAI(api_key="any", base_url=host) as client:
        for wanted, fields in ((None, ["b64_json"]), ("url", ["url"])):
            given = {} if wanted is None else {"response_format": wanted}
            answer = await client.images.generate(prompt="a red kite", model=name, **given)
            assert answer.data
            assert list(answer.data[0].model_dump(exclude_none=True)) == fields


async def test_another_alias_returns_both(serve):
    """Clients of other models may expect either."""
    host = await serve(model_aliases={"dall-e-3": "qwen-image-max"})
    async with openai.AsyncOpenAI(api_key="any", base_url=host) as client:
        answer = await client.images.generate(prompt="a red kite", model="dall-e-3")
    assert answer.data[0].url
    assert answer.data[0].b64_json


@pytest.mark.parametrize(
    ("wanted", "kind"),
    [("png", ImageKind.PNG), ("webp", ImageKind.WEBP), ("jpeg", ImageKind.JPEG)],
)
async def test_the_output_format_is_produced_and_named(url: str, wanted, kind: ImageKind):
    """The bytes are of that format and of the requested size, in a generation and in an edit."""
    async with openai.AsyncOpenAI(api_key="any", base_url=url) as client:
        made = await client.images.generate(
            prompt="a red kite", size="512x320", output_format=wanted, response_format="b64_json"
        )
        edited = await client.images.edit(
            image=("a.png", pyvips.Image.black(64, 64, bands=3).pngsave_buffer(), "image/png"),
            prompt="a red kite",
            model="qwen-image-2.0",
            size="512x320",
            output_format=wanted,
            output_compression=60,
        )
    for answer in (made, edited):
        assert answer.output_format == wanted
        data = base64.b64decode(answer.data[0].b64_json)
        image = pyvips.Image.new_from_buffer(data, "")
        assert find_kind(data[:32]) is kind
        assert (image.width, image.height) == (512, 320)


async def test_output_compression_makes_smaller_files_of_one_image(url: str, sandbox: Sandbox):
    """The same image in another quality is not billed again."""
    sizes = []
    async with openai.AsyncOpenAI(api_key="any", base_url=url) as client:
        for quality in (100, 10):
            answer = await client.images.generate(
                prompt="a red kite", output_format="webp", output_compression=quality
            )
            assert answer.data[0].url is None, "the file at the URL is a PNG"
            sizes.append(len(answer.data[0].b64_json))
    assert sizes[1] < sizes[0]
    assert len(sandbox.ledger.generations) == 1


@pytest.mark.parametrize(
    ("fields", "ignored"),
    [
        ({"response_format": "url", "output_format": "webp"}, "output_format"),
        ({"output_compression": 50}, "output_compression"),
        ({"output_format": "webp", "output_compression": 50}, None),
    ],
)
async def test_a_format_without_effect_is_listed(
    url: str, http: aiohttp.ClientSession, fields: dict[str, object], ignored: str | None
):
    """A URL is always of the stored PNG, and a PNG has no quality."""
    body = {"prompt": "a red kite", **fields}
    async with http.post(f"{url}/v1/images/generations", json=body) as answer:
        assert answer.headers.get("X-Stills-Ignored") == ignored
        named = (await answer.json())["output_format"]
    assert named == ("webp" if ignored is None else "png")


async def test_headers_give_id_and_cost_of_each_image(
    url: str, http: aiohttp.ClientSession, sandbox: Sandbox
):
    """The body has only OpenAI's fields; a stored image and a repeated answer cost nothing."""
    body = {"prompt": "a red kite", "seed": 7, "response_format": "url"}
    seen = []
    for count, headers in ((1, {}), (2, {"Idempotency-Key": "k"}), (2, {"Idempotency-Key": "k"})):
        async with http.post(
            f"{url}/v1/images/generations", json={**body, "n": count}, headers=headers
        ) as answer:
            urls = [one["url"] for one in (await answer.json())["data"]]
            ids = answer.headers["X-Stills-Image-Id"].split(", ")
            assert [one.rpartition("/")[2] for one in urls] == [f"{one}.png" for one in ids]
            names = ("X-Stills-Cached", "X-Stills-Cost-Usd")
            seen.append(tuple(answer.headers[name] for name in names))
    assert seen == [("false", "0.075"), ("true, false", "0, 0.075"), ("true, true", "0, 0")]
    assert len(sandbox.ledger.generations) == 2


async def test_refused_content_has_openai_s_code_next_to_ours(
    url: str, http: aiohttp.ClientSession, sandbox: Sandbox
):
    """OpenAI's clients look for moderation_blocked; the contract's own route has our code."""
    sandbox.set_faults(Fault(FaultKind.CONTENT_REFUSED, times=None))
    async with openai.AsyncOpenAI(api_key="any", base_url=url) as client:
        with pytest.raises(openai.BadRequestError) as refused:
            await client.images.generate(prompt="a red kite")
    assert refused.value.code == "moderation_blocked"
    assert refused.value.type == "image_generation_user_error"
    assert refused.value.body["stills_code"] == "content_refused"
    body = {"prompt": "a red kite", "size": "512*512"}
    async with http.post(f"{url}/v1/image.generate", json=body) as answer:
        error = (await answer.json())["error"]
    assert error["code"] == "content_refused"
    assert set(error) == {"message", "type", "param", "code"}
