"""OpenAI's own client, unchanged, against the service."""

import asyncio
import base64
import io
from collections.abc import AsyncIterator

import aiohttp
import openai
import pytest
import pyvips
from openai.types.image_generate_params import (
    ImageGenerateParamsBase,
    ImageGenerateParamsNonStreaming,
)

from stills.http.openai_request import IGNORED, SUPPORTED, read_generation
from stills.sandbox import Fault, FaultKind, Sandbox


@pytest.fixture
async def client(url: str) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(api_key="any", base_url=f"{url}/v1", max_retries=0) as made:
        yield made


def picture() -> io.BytesIO:
    png = io.BytesIO(pyvips.Image.black(512, 512, bands=3).pngsave_buffer())
    png.name = "portrait.png"
    return png


async def test_without_a_response_format_link_and_bytes_are_the_same_image(
    client: openai.AsyncOpenAI, http: aiohttp.ClientSession
):
    """Clients that name no format accept either, so both are there."""
    answer = await client.images.generate(prompt="a red kite", size="512x512")
    async with http.get(answer.data[0].url) as got:
        assert await got.read() == base64.b64decode(answer.data[0].b64_json)
    assert answer.data[0].url.endswith(".png")


@pytest.mark.parametrize("wanted", ["url", "b64_json"])
async def test_a_response_format_gives_that_alone(client: openai.AsyncOpenAI, wanted: str):
    """What was not asked for is left out."""
    answer = await client.images.generate(prompt="a red kite", response_format=wanted)
    assert answer.data
    given = answer.data[0].model_dump(exclude_none=True)
    assert list(given) == [wanted]


async def test_n_images_have_seeds_that_count_up(
    client: openai.AsyncOpenAI, http: aiohttp.ClientSession, sandbox: Sandbox
):
    """Variations can be asked for again, one by one."""
    answer = await client.images.generate(
        prompt="a red kite", n=3, response_format="url", extra_body={"seed": 7}
    )
    assert answer.data
    seeds = []
    for data in answer.data:
        image_id = data.url.rpartition("/")[2].removesuffix(".png")
        async with http.get(f"{client.base_url}images/{image_id}") as got:
            seeds.append((await got.json())["seed"])
    assert seeds == [7, 8, 9]
    again = await client.images.generate(
        prompt="a red kite", response_format="url", extra_body={"seed": 8}
    )
    assert again.data[0].url == answer.data[1].url
    assert len(sandbox.ledger.generations) == 3


async def test_an_answer_has_the_shape_of_openai_and_no_more(url: str, http: aiohttp.ClientSession):
    """A top-level id makes one client poll for ever."""
    body = {"prompt": "a red kite", "quality": "hd", "user": "me"}
    async with http.post(f"{url}/v1/images/generations", json=body) as answer:
        assert set(await answer.json()) == {"created", "data"}
        assert answer.headers["X-Stills-Ignored"] == "quality, user"


def test_every_field_of_openai_s_client_is_served_or_ignored():
    """A client that is upgraded must not be refused for what it sends by itself."""
    sent = set(ImageGenerateParamsNonStreaming.__annotations__) | set(
        ImageGenerateParamsBase.__annotations__
    )
    read_generation(
        {name: "url" for name in sent if name in IGNORED - {"stream"}} | {"prompt": "a"},
        default_model="qwen-image-max",
        aliases={},
    )
    assert sent <= IGNORED | set(SUPPORTED)


@pytest.mark.parametrize("base", ["", "/v1", "/api/v1"])
async def test_any_usual_base_url_works(url: str, base: str):
    """A base URL is set as the host, as /v1 or as /api/v1."""
    async with openai.AsyncOpenAI(api_key="any", base_url=url + base) as client:
        assert (await client.images.generate(prompt="a red kite")).data
        assert (await client.models.retrieve("qwen-image-max")).id == "qwen-image-max"


async def test_an_edit_sends_its_file_as_the_reference(
    client: openai.AsyncOpenAI, sandbox: Sandbox
):
    """A portrait given as a file goes to a model that takes references."""
    answer = await client.images.edit(
        image=picture(), prompt="the same, at dusk", model="qwen-image-2.0", size="512x512"
    )
    assert answer.data
    assert len(sandbox.ledger.generations) == 1


async def test_a_reference_for_a_model_without_references_is_refused(client: openai.AsyncOpenAI):
    """A reference is never dropped in silence."""
    with pytest.raises(openai.BadRequestError) as refused:
        await client.images.edit(image=picture(), prompt="the same, at dusk")
    assert refused.value.param


async def test_an_edit_without_an_image_is_refused(
    url: str, http: aiohttp.ClientSession, sandbox: Sandbox
):
    """Without the reference it would be another picture, and paid for."""
    form = aiohttp.FormData({"prompt": "the same, at dusk"}, default_to_multipart=True)
    async with http.post(f"{url}/v1/images/edits", data=form) as answer:
        assert answer.status == 400
        assert (await answer.json())["error"]["param"] == "image"
    assert not sandbox.ledger.generations


async def test_a_link_of_this_service_is_a_reference(
    client: openai.AsyncOpenAI, http: aiohttp.ClientSession, url: str, sandbox: Sandbox
):
    """A portrait first, then each shot with it: the link is read here, though it is of loopback."""
    portrait = (await client.images.generate(prompt="Ada", response_format="url")).data[0].url
    body = {"prompt": "Ada at sea", "model": "qwen-image-2.0", "image": portrait}
    for image, status in ((portrait, 200), (portrait.replace("x", "y"), 400)):
        async with http.post(
            f"{url}/v1/images/generations", json={**body, "image": image}
        ) as answer:
            assert answer.status == status, await answer.text()
    assert [len(send.content) for send in sandbox.ledger.generations] == [1, 2]


async def test_two_references_are_refused(client: openai.AsyncOpenAI):
    """One of two would have to be dropped."""
    with pytest.raises(openai.BadRequestError) as refused:
        await client.images.edit(
            image=[picture(), picture()], prompt="both", model="qwen-image-2.0"
        )
    assert refused.value.param == "image"


async def test_a_hard_wired_model_is_served_only_when_mapped(serve):
    """No silent swap: the operator says what gpt-image-1 stands for."""
    async with openai.AsyncOpenAI(api_key="any", base_url=await serve(), max_retries=0) as plain:
        with pytest.raises(openai.BadRequestError, match="STILLS_MODEL_ALIASES"):
            await plain.images.generate(prompt="a red kite", model="gpt-image-1")
    mapped = await serve(model_aliases={"gpt-image-1": "qwen-image-max"})
    async with openai.AsyncOpenAI(api_key="any", base_url=mapped) as client:
        assert (await client.images.generate(prompt="a red kite", model="gpt-image-1")).data
        assert "gpt-image-1" in [model.id async for model in client.models.list()]


async def test_the_synchronous_client_works_as_well(url: str):
    """Half of all pipelines use it."""

    def ask() -> openai.types.ImagesResponse:
        with openai.OpenAI(api_key="any", base_url=f"{url}/v1") as client:
            return client.images.generate(prompt="a red kite", size="auto")

    assert (await asyncio.to_thread(ask)).data


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (FaultKind.CONTENT_REFUSED, openai.BadRequestError),
        (FaultKind.RETIRED_MODEL, openai.NotFoundError),
    ],
)
async def test_refusals_have_openai_s_classes(
    client: openai.AsyncOpenAI, sandbox: Sandbox, kind: FaultKind, expected: type[Exception]
):
    """A client tells what can be tried again from what can't."""
    sandbox.set_faults(Fault(kind, times=None))
    with pytest.raises(expected) as refused:
        await client.images.generate(prompt="a red kite")
    assert refused.value.response.headers["x-should-retry"] == "false"


@pytest.mark.parametrize(
    "kind",
    [
        FaultKind.DROP_AFTER,
        FaultKind.GATEWAY_HTML,
        FaultKind.GATEWAY_TIMEOUT,
        FaultKind.TRUNCATED_ANSWER,
        FaultKind.DEAD_URL,
    ],
)
async def test_the_client_s_own_retries_cost_no_extra_image(
    url: str, sandbox: Sandbox, kind: FaultKind
):
    """A call that may be billed is made once, and the answer tells the client not to retry."""
    sandbox.set_faults(Fault(kind, times=None))
    async with openai.AsyncOpenAI(api_key="any", base_url=url, max_retries=1) as client:
        with pytest.raises(openai.InternalServerError):
            await client.images.generate(prompt="a red kite")
    assert len(sandbox.ledger.generations) == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("size", "0x0"), ("size", "99999x1"), ("size", "abc"), ("size", 5), ("n", 0), ("n", 11),
        ("n", "two"), ("response_format", "png"), ("seed", -1), ("prompt", ""), ("prompt", None),
        ("image", 5), ("image", "/etc/passwd.png" * 3), ("image", ""), ("promt", "a"),
        ("stream", True),
    ],
)  # fmt: skip
async def test_a_bad_field_is_named(
    url: str, http: aiohttp.ClientSession, sandbox: Sandbox, field: str, value: object
):
    """Every mistake is a 400 that names its field, and nothing is sent."""
    body = {"prompt": "a red kite", field: value}
    async with http.post(f"{url}/v1/images/generations", json=body) as answer:
        error = (await answer.json())["error"]
    assert answer.status == 400
    assert error["param"] == field
    assert error["type"] == "invalid_request_error"
    assert not sandbox.ledger.generations
