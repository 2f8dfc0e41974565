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


async def test_without_a_response_format_url_and_bytes_are_returned(
    client: openai.AsyncOpenAI, http: aiohttp.ClientSession
):
    """A client that does not choose may expect either; both are the same image."""
    answer = await client.images.generate(prompt="a red kite", size="512x512")
    async with http.get(answer.data[0].url) as got:
        assert await got.read() == base64.b64decode(answer.data[0].b64_json)
    assert answer.data[0].url.endswith(".png")


@pytest.mark.parametrize("wanted", ["url", "b64_json"])
async def test_a_response_format_returns_only_that(client: openai.AsyncOpenAI, wanted: str):
    """The other field is omitted."""
    answer = await client.images.generate(prompt="a red kite", response_format=wanted)
    assert answer.data
    given = answer.data[0].model_dump(exclude_none=True)
    assert list(given) == [wanted]


async def test_n_images_have_consecutive_seeds(
    client: openai.AsyncOpenAI, http: aiohttp.ClientSession, sandbox: Sandbox
):
    """Each variation can be requested again by its seed."""
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


async def test_a_response_has_only_openai_s_fields(url: str, http: aiohttp.ClientSession):
    """With a top-level id, one client would poll for ever."""
    body = {"prompt": "a red kite", "quality": "hd", "user": "me"}
    async with http.post(f"{url}/v1/images/generations", json=body) as answer:
        assert set(await answer.json()) == {"created", "output_format", "data"}
        assert answer.headers["X-Stills-Ignored"] == "quality, user"


def test_every_field_of_openai_s_client_is_supported_or_ignored():
    """An upgraded client must not be refused for fields that it adds itself."""
    sent = set(ImageGenerateParamsNonStreaming.__annotations__) | set(
        ImageGenerateParamsBase.__annotations__
    )
    read_generation(
        {name: "url" for name in sent if name in IGNORED} | {"prompt": "a"},
        default_model="qwen-image-max",
        aliases={},
    )
    assert sent <= IGNORED | set(SUPPORTED)


@pytest.mark.parametrize("base", ["", "/v1", "/api/v1"])
async def test_any_usual_base_url_works(url: str, base: str):
    """Clients use the host, /v1 or /api/v1."""
    async with openai.AsyncOpenAI(api_key="any", base_url=url + base) as client:
        assert (await client.images.generate(prompt="a red kite")).data
        assert (await client.models.retrieve("qwen-image-max")).id == "qwen-image-max"


async def test_an_edit_sends_its_file_as_the_reference(
    client: openai.AsyncOpenAI, sandbox: Sandbox
):
    """A portrait is sent as a file to a model that takes references."""
    answer = await client.images.edit(
        image=picture(), prompt="the same, at dusk", model="qwen-image-2.0", size="512x512"
    )
    assert answer.data
    assert len(sandbox.ledger.generations) == 1


@pytest.mark.parametrize(
    ("size", "made"),
    [
        ({}, "1456*720"),
        ({"size": "auto"}, "1456*720"),
        ({"size": "2K 16:9"}, "2720*1536"),
        ({"size": "16:9"}, "1360*768"),
    ],
)
async def test_an_edit_has_the_aspect_ratio_of_its_image_or_the_one_it_names(
    client: openai.AsyncOpenAI, sandbox: Sandbox, size: dict[str, str], made: str
):
    """As with OpenAI, auto is the default; ratios and tiers are extensions."""
    wide = pyvips.Image.black(200, 100, bands=3).pngsave_buffer()
    await client.images.edit(
        image=("a.png", wide, "image/png"), prompt="at dusk", model="qwen-image-2.0", **size
    )
    (send,) = sandbox.ledger.generations
    assert send.size == made


async def test_without_an_image_auto_is_square(client: openai.AsyncOpenAI):
    """1024*1024, the default of OpenAI's own models."""
    for size in ({}, {"size": "auto"}):
        answer = await client.images.generate(prompt="a red kite", response_format="url", **size)
        assert "1024x1024" in answer.data[0].url


async def test_a_reference_for_a_model_without_references_is_refused(client: openai.AsyncOpenAI):
    """A reference is never silently dropped."""
    with pytest.raises(openai.BadRequestError) as refused:
        await client.images.edit(image=picture(), prompt="the same, at dusk")
    assert refused.value.param


async def test_an_edit_without_an_image_is_refused(
    url: str, http: aiohttp.ClientSession, sandbox: Sandbox
):
    """Without its reference it would be another image, and billed."""
    form = aiohttp.FormData({"prompt": "the same, at dusk"}, default_to_multipart=True)
    async with http.post(f"{url}/v1/images/edits", data=form) as answer:
        assert answer.status == 400
        assert (await answer.json())["error"]["param"] == "image"
    assert not sandbox.ledger.generations


async def test_an_image_url_of_this_service_is_a_reference(
    client: openai.AsyncOpenAI, http: aiohttp.ClientSession, url: str, sandbox: Sandbox
):
    """The service reads its own URL directly, although it is a loopback address."""
    portrait = (await client.images.generate(prompt="Ada", response_format="url")).data[0].url
    body = {"prompt": "Ada at sea", "model": "qwen-image-2.0", "image": portrait}
    for image, status in ((portrait, 200), (portrait.replace("x", "y"), 400)):
        async with http.post(
            f"{url}/v1/images/generations", json={**body, "image": image}
        ) as answer:
            assert answer.status == status, await answer.text()
    assert [len(send.content) for send in sandbox.ledger.generations] == [1, 2]


async def test_several_files_are_sent_as_references(client: openai.AsyncOpenAI, sandbox: Sandbox):
    """The client sends a list as `image[]`."""
    await client.images.edit(image=[picture(), picture()], prompt="both", model="qwen-image-2.0")
    (send,) = sandbox.ledger.generations
    assert send.content == ("image:data", "image:data", "text")


async def test_more_references_than_the_model_takes_are_refused(
    client: openai.AsyncOpenAI, sandbox: Sandbox
):
    """Nothing is sent, and the error calls them by the client's name."""
    with pytest.raises(openai.BadRequestError, match="4 reference images, 1 over") as refused:
        await client.images.edit(image=[picture()] * 4, prompt="all", model="qwen-image-2.0")
    assert refused.value.param == "image"
    assert not sandbox.ledger.generations


async def test_a_hard_coded_model_is_accepted_only_if_mapped(serve):
    """The operator decides which model gpt-image-1 stands for."""
    async with openai.AsyncOpenAI(api_key="any", base_url=await serve(), max_retries=0) as plain:
        with pytest.raises(openai.BadRequestError, match="STILLS_MODEL_ALIASES"):
            await plain.images.generate(prompt="a red kite", model="gpt-image-1")
    mapped = await serve(model_aliases={"gpt-image-1": "qwen-image-max"})
    async with openai.AsyncOpenAI(api_key="any", base_url=mapped) as client:
        assert (await client.images.generate(prompt="a red kite", model="gpt-image-1")).data
        assert "gpt-image-1" in [model.id async for model in client.models.list()]


async def test_the_synchronous_client_works_as_well(url: str):
    """Many pipelines use it."""

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
async def test_errors_have_openai_s_classes(
    client: openai.AsyncOpenAI, sandbox: Sandbox, kind: FaultKind, expected: type[Exception]
):
    """A client can tell which errors may be retried."""
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
        ("stream", "yes"), ("output_format", "gif"), ("output_format", ["png"]),
        ("output_compression", 101), ("output_compression", True),
    ],
)  # fmt: skip
async def test_an_invalid_field_is_named(
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
