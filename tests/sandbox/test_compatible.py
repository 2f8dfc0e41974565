"""The service's own route in OpenAI's form."""

from collections.abc import AsyncIterator

import aiohttp
import openai
import pytest
import pyvips

from stills.sandbox import Fault, FaultKind, Sandbox

FOX = {"prompt": "a red fox", "model": "qwen-image-3.0"}


@pytest.fixture
def base_url(sandbox: Sandbox) -> str:
    return sandbox.base_url.replace("/api/v1", "/compatible-mode/v1")


@pytest.fixture
async def client(base_url: str) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(api_key="sk-sandbox", base_url=base_url, max_retries=0) as opened:
        yield opened


async def test_a_client_of_openai_gets_images(client, sandbox, download):
    """The fields beside OpenAI's are those of the service."""
    more = {"negative_prompt": "fog", "seed": 7, "prompt_extend": False, "watermark": False}
    answer = await client.images.generate(**FOX, size="1024x512", n=2, extra_body=more)

    images = [
        pyvips.Image.new_from_buffer((await download(one.url)).body, "") for one in answer.data
    ]
    assert [(image.width, image.height) for image in images] == [(1024, 512)] * 2
    (send,) = sandbox.ledger.generations
    assert (send.prompt, send.negative_prompt, send.seed) == ("a red fox", "fog", 7)
    assert (send.billed, send.finished, send.status) == (2, True, 200)


@pytest.mark.parametrize(
    "image",
    ["https://example.com/a.png", ["https://example.com/a.png", "https://example.com/b.png"]],
)
async def test_references_are_text_or_a_list(client, sandbox, image):
    """In order, before the text."""
    await client.images.generate(**FOX, size="auto", extra_body={"image": image})

    (send,) = sandbox.ledger.generations
    count = 1 if isinstance(image, str) else 2
    assert send.content == (*["image:https"] * count, "text")
    assert send.size == "2048*2048"


@pytest.mark.parametrize("model", ["qwen-image-max", "qwen-image-2.0", "qwen-image-2.1-turbo"])
async def test_models_without_this_route_are_refused(client, sandbox, model):
    """Only 3.0, 3.0-pro and 2.1-pro have it."""
    with pytest.raises(openai.BadRequestError) as refused:
        await client.images.generate(prompt="a red fox", model=model)
    assert refused.value.code == "invalid_parameter_error"
    assert sandbox.ledger.billed_images == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"stream": True},
        {"mask": "https://example.com/a.png"},
        {"size": "1K"},
        {"size": 7},
        {"image": [7]},
        {"n": 9},
        {"prompt": None},
        {"model": None},
    ],
)
async def test_an_invalid_request_is_refused_in_the_form_of_openai(
    session: aiohttp.ClientSession, base_url: str, sandbox, wrong
):
    """With a code in snake case inside an error object."""
    headers = {"Authorization": "Bearer sk-sandbox"}
    async with session.post(
        f"{base_url}/images/generations", json=FOX | wrong, headers=headers
    ) as answer:
        assert answer.status == 400
        assert (await answer.json())["error"]["code"] == "invalid_parameter_error"
    assert sandbox.ledger.billed_images == 0


async def test_faults_and_keys_are_those_of_the_other_routes(client, base_url, sandbox):
    """A refused key, a refused prompt, and an answer without an image."""
    async with openai.AsyncOpenAI(api_key="sk-wrong", base_url=base_url) as stranger:
        with pytest.raises(openai.AuthenticationError):
            await stranger.images.generate(**FOX)
    sandbox.set_faults(Fault(FaultKind.CONTENT_REFUSED), Fault(FaultKind.NO_IMAGE))
    with pytest.raises(openai.BadRequestError) as refused:
        await client.images.generate(**FOX)
    assert refused.value.code == "data_inspection_failed"
    assert (await client.images.generate(**FOX)).data == []
