"""Which requests are accepted or refused, by key and by model."""

import base64
import io
import json
import struct

import aiohttp
import pytest
import pyvips

from stills.sandbox import Sandbox, SandboxSettings


def data_url(image: bytes, media_type: str = "image/png") -> str:
    return f"data:{media_type};base64,{base64.b64encode(image).decode()}"


PNG = pyvips.Image.black(64, 64, bands=3).pngsave_buffer()
PNG_DATA_URL = data_url(PNG)
FIVE = ["1664*928", "1472*1104", "1328*1328", "1104*1472", "928*1664"]
SUCCESSORS = ["qwen-image-2.0", "qwen-image-2.0-pro", "qwen-image-3.0", "qwen-image-3.0-pro"]


def body(*content, model="qwen-image-max", **parameters):
    messages = [{"role": "user", "content": list(content) or [{"text": "a red fox"}]}]
    return {"model": model, "input": {"messages": messages}, "parameters": parameters}


@pytest.mark.parametrize(
    ("key", "status", "code"),
    [
        ("sk-1234567890abcdef", 401, "InvalidApiKey"),
        ("", 401, "InvalidApiKey"),
        ("sk-sandbox-denied", 403, "AccessDenied.Unpurchased"),
        ("sk-sandbox-overdue", 400, "Arrearage"),
    ],
)
async def test_keys_of_others_and_of_accounts_with_problems_are_refused(
    sandbox, post, key, status, code
):
    """Only keys that start with sk-sandbox work; two of them simulate account problems."""
    answer = await post(body(), key=key)

    assert (answer.status, answer.body["code"]) == (status, code)
    assert answer.body["request_id"]
    assert sandbox.ledger.billed_images == 0


async def test_a_refused_key_is_not_quoted(call):
    """The message says that this is a sandbox, and contains nothing that looks like a key."""
    answer = await call(api_key="sk-real-and-secret")

    assert "This is a sandbox: use the key that it printed" in answer.message
    assert "sk-" not in answer.message
    assert "secret" not in answer.message


@pytest.mark.parametrize("size", FIVE)
async def test_the_default_model_takes_its_five_sizes(call, size):
    """All five documented sizes of qwen-image-max are accepted."""
    answer = await call(size=size)

    assert f"{answer.usage['width']}*{answer.usage['height']}" == size


async def test_the_default_size_is_wide(call):
    """Without a size, the image is 1664*928."""
    answer = await call()

    assert (answer.usage["width"], answer.usage["height"]) == (1664, 928)


@pytest.mark.parametrize("model", SUCCESSORS)
async def test_the_default_size_of_the_successors_is_square(post, sandbox, model):
    """Without a size, the image is 2048*2048."""
    assert (await post(body(model=model))).status == 200
    assert sandbox.ledger.sends[0].size == "2048*2048"


@pytest.mark.parametrize("model", SUCCESSORS)
async def test_the_successors_take_any_size_between_the_pixel_limits(call, model):
    """512*512 and 2048*2048 are accepted; one row of pixels less or more is refused."""
    statuses = [
        (await call(model=model, size=size)).status_code
        for size in ["512*512", "2048*2048", "1024*1024", "512*511", "2048*2049"]
    ]

    assert statuses == [200, 200, 200, 400, 400]


@pytest.mark.parametrize("model", SUCCESSORS)
async def test_the_successors_take_up_to_three_references(call, sandbox, model):
    """One to three references are accepted, a fourth is refused."""
    images = [PNG_DATA_URL, "https://example.com/a.png", "http://example.com/b.png"]

    assert (await call(model=model, images=images)).status_code == 200
    kinds = ("text", "image:data", "image:https", "image:http")
    assert sandbox.ledger.sends[0].content == kinds
    assert (await call(model=model, images=[*images, PNG_DATA_URL])).code == "InvalidParameter"


async def test_a_reference_is_taken_from_its_upload(post, sandbox, session):
    """oss:// needs the header X-DashScope-OssResourceResolve: enable, and the uploaded file."""
    sent = body({"text": "x"}, {"image": "oss://sandbox/a.png"}, model="qwen-image-2.0")
    enabled = {"X_DashScope_OssResourceResolve": "enable"}

    assert (await post(sent)).body["code"] == "InvalidParameter"
    assert (await post(sent, **enabled)).body["code"] == "InvalidFile.DownloadFailed"
    form = aiohttp.FormData({"key": "sandbox/a.png", "file": io.BytesIO(PNG)})
    async with session.post(sandbox.base_url.removesuffix("/api/v1") + "/upload", data=form):
        pass
    assert (await post(sent, **enabled)).status == 200
    sandbox.reset()
    assert (await post(sent, **enabled)).body["code"] == "InvalidFile.DownloadFailed"


@pytest.mark.parametrize(
    "content",
    [
        [{"type": "text", "text": "x"}, {"type": "image", "image": PNG_DATA_URL}],
        [{"image": PNG_DATA_URL}, {"type": "text", "text": "x"}],
    ],
)
async def test_a_part_of_the_content_may_name_its_type(post, sandbox, content):
    """Clients of the compatible endpoints send it."""
    assert (await post(body(*content, model="qwen-image-2.0"))).status == 200
    assert sandbox.ledger.sends[0].prompt == "x"


@pytest.mark.parametrize(
    "image",
    [
        pyvips.Image.black(64, 64, bands=3).jpegsave_buffer(),
        pyvips.Image.black(64, 64, bands=3).webpsave_buffer(),
        pyvips.Image.black(64, 64, bands=3).gifsave_buffer(),
        pyvips.Image.black(64, 64, bands=3).tiffsave_buffer(),
        b"BM" + bytes(16) + struct.pack("<ii", 64, -64),
    ],
    ids=["jpeg", "webp", "gif", "tiff", "bmp"],
)
async def test_a_reference_may_have_any_of_the_six_formats(call, image):
    """Whatever its data URL says; PNG is in the other tests."""
    assert (await call(model="qwen-image-2.0", images=[data_url(image)])).status_code == 200


@pytest.mark.parametrize(
    "image",
    [b"hello", PNG[:-20], b"\x89PNG\r\n\x1a\n", b"BM", b"RIFF    WAVE"],
    ids=["text", "truncated", "header", "short-bmp", "sound"],
)
async def test_a_reference_that_is_not_an_image_is_refused(call, image):
    """In the words of the service's page of errors."""
    answer = await call(model="qwen-image-2.0", images=[data_url(image)])

    assert (answer.status_code, answer.code) == (400, "InvalidImage.FileFormat")


async def test_a_reference_of_a_wrong_size_is_refused(post):
    """Over 10 MB, or under 10 pixels per side."""
    tiny = pyvips.Image.black(9, 64, bands=3).pngsave_buffer()
    huge = PNG + bytes(10 * 1024 * 1024)
    for image in (tiny, huge):
        sent = body({"text": "x"}, {"image": data_url(image)}, model="qwen-image-2.0")
        answer = await post(io.BytesIO(json.dumps(sent).encode()))
        assert (answer.status, answer.body["code"]) == (400, "InvalidParameter")


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        ({"n": 2}, "num_images_per_prompt must be 1"),
        (
            {"size": "1024*1024"},
            f"The size does not match the allowed size {','.join(FIVE)}.",
        ),
        (
            {"size": "3*3", "model": "qwen-image-2.0"},
            "Image area must be between 262144 and 4194304 pixels. Got area=9 (width=3, height=3).",
        ),
        (
            {"size": "2K", "model": "qwen-image-3.0"},
            "Invalid size '2K'. Expected format: '<width>*<height>'",
        ),
    ],
)
async def test_a_refusal_has_the_words_of_the_service(post, sent, message):
    """As its pages and users report them."""
    assert (await post(body(**sent))).body["message"] == message


@pytest.mark.parametrize("seed", [0, 2147483647])
async def test_the_ends_of_the_seed_range_work(call, sandbox, seed):
    """A given seed is used."""
    assert (await call(seed=seed)).status_code == 200
    assert sandbox.ledger.sends[0].seed == seed


async def test_without_a_seed_one_is_picked_and_not_returned(post, sandbox):
    """The seed is in the ledger, not in the answer."""
    answer = await post(body())

    assert "seed" not in json.dumps(answer.body)
    assert 0 <= sandbox.ledger.sends[0].seed <= 2147483647


async def test_long_texts_are_truncated_silently(call, sandbox):
    """The service uses 800 tokens and 500 characters; the ledger shows the truncation."""
    answer = await call(" fox" * 801, negative_prompt="b" * 501)

    send = sandbox.ledger.sends[0]
    assert answer.status_code == 200
    assert (send.prompt, send.text, send.text_cut) == (" fox" * 801, " fox" * 800, True)
    assert (send.negative_prompt, send.negative_prompt_cut) == ("b" * 500, True)


async def test_texts_at_the_limit_are_not_truncated(call, sandbox):
    """800 tokens and 500 characters pass unchanged."""
    await call(" fox" * 800, negative_prompt="b" * 500)

    send = sandbox.ledger.sends[0]
    assert (send.text, send.text_cut, send.negative_prompt_cut) == (" fox" * 800, False, False)


async def test_each_version_reads_as_many_tokens_as_its_own_limit(call, sandbox):
    """Version 2.0 reads 1300; of 2.1 no limit is known."""
    await call(" fox" * 1301, model="qwen-image-2.0")
    await call(" fox" * 5000, model="qwen-image-2.1-pro", size="512*512")

    cut, whole = sandbox.ledger.sends
    assert (cut.text, cut.text_cut) == (" fox" * 1300, True)
    assert (whole.text, whole.text_cut) == (" fox" * 5000, False)


@pytest.mark.parametrize(
    "sent",
    [
        body(size="1024*1024"),
        body(size="1664x928"),
        body(size="0*0", model="qwen-image-2.0"),
        body(size="0512*512", model="qwen-image-2.0"),
        body(size="٥١٢*512", model="qwen-image-2.0"),
        body(size="9" * 5000 + "*1", model="qwen-image-2.0"),
        body(size=1024),
        body(seed=-1),
        body(seed=2147483648),
        body(seed=True),
        body(seed="1"),
        body(seed=1.0),
        body(n=2),
        body(n=0),
        body(n=7, model="qwen-image-2.0"),
        body(negative_prompt=["blurry"]),
        body(prompt_extend="yes"),
        body(prompt_extend_mode="agent"),
        body(prompt_extend_mode="smart", model="qwen-image-3.0"),
        body(enable_thinking=True, model="qwen-image-2.0"),
        body(enable_thinking=1, model="qwen-image-3.0"),
        body(watermark=1),
        body({"text": "a"}, {"text": "b"}),
        body({"image": PNG_DATA_URL}, model="qwen-image-2.0"),
        body({"text": "a"}, {"image": PNG_DATA_URL}),
        body({"text": "a", "image": PNG_DATA_URL}, model="qwen-image-2.0"),
        body({"text": "a"}, {"image": "photo.png"}, model="qwen-image-2.0"),
        body({"text": "a"}, {"image": "file:///etc/hostname"}, model="qwen-image-2.0"),
        body({"text": "a"}, {"image": "data:image/png;base64,@@@"}, model="qwen-image-2.0"),
        body({"text": "a"}, {"image": "data:text/plain;base64,aGk="}, model="qwen-image-2.0"),
        body({"text": "a"}, {"image": ["https://a/b"]}, model="qwen-image-2.0"),
        body({"type": "image", "text": "a"}),
        body({"type": "text"}),
        body({"type": ["text"], "text": "a"}),
        body({"text": "a", "weight": 1}),
        body(size="4096*256", model="qwen-image-2.0"),
        body(size="480*4000", model="qwen-image-2.0"),
        body({"text": ""}),
        body({"text": 5}),
        body({"video": "a"}),
        body("text"),
        body() | {"model": 7},
        body() | {"model": None},
        body() | {"input": []},
        body() | {"input": {"messages": []}},
        body() | {"input": {"messages": [1]}},
        body() | {"input": {"messages": [{"role": "user", "content": "a red fox"}]}},
        body() | {"input": {"messages": [{"role": "system", "content": [{"text": "a"}]}]}},
        body() | {"parameters": [1]},
        {},
        [],
        None,
        "text",
        b"",
        b"{",
        b"\xff\xfe\x00",
        b'{"model": NaN}',
        b'{"model": 1e999}',
        b'{"model": ' + b"9" * 5000 + b"}",
        b"[" * 100_000,
    ],
    ids=lambda sent: repr(sent)[-70:],
)
async def test_a_broken_rule_is_an_invalid_parameter(post, sandbox, sent):
    """No request, however malformed, causes a 500 or is billed."""
    answer = await post(sent)

    assert (answer.status, answer.body["code"]) == (400, "InvalidParameter")
    assert answer.body["message"]
    assert answer.body["request_id"]
    assert sandbox.ledger.sends[0].finished
    assert sandbox.ledger.billed_images == 0


async def test_a_body_over_the_limit_is_an_invalid_parameter(post):
    """65 MB are refused in the service's words."""
    answer = await post(io.BytesIO(bytes(65 * 1024 * 1024)))

    assert (answer.status, answer.body["code"]) == (400, "InvalidParameter")


async def test_version_3_records_how_it_was_told_to_rewrite_the_prompt(post, sandbox):
    """A client's test can check what it sent."""
    sent = {"prompt_extend": False, "prompt_extend_mode": "agent", "enable_thinking": False}

    assert (await post(body(model="qwen-image-3.0", **sent))).status == 200
    assert sandbox.ledger.sends[0].parameters == sent


async def test_null_means_that_a_parameter_is_left_out(post):
    """The dashscope command line sends nulls."""
    nulls = dict.fromkeys(
        ["n", "max_images", "size", "seed", "negative_prompt", "prompt_extend", "watermark"]
    )

    assert (await post(body(**nulls))).status == 200
    assert (await post(body() | {"parameters": None})).status == 200


@pytest.mark.parametrize("model", ["qwen-image-max-2025-12-30", "qwen_image_max", "qwen-image"])
async def test_an_unknown_model_is_not_found(call, model):
    """Only exact ids are served."""
    answer = await call(model=model)

    assert (answer.status_code, answer.code) == (404, "ModelNotFound")


async def test_a_retired_model_says_so(call):
    """A model set as retired is refused; its successor is not."""
    settings = SandboxSettings(retired_models=frozenset({"qwen-image-max"}))
    async with Sandbox(settings) as later:
        refused = await call(target=later)
        served = await call(target=later, model="qwen-image-2.0")

    assert (refused.status_code, refused.code) == (404, "ModelNotFound")
    assert "retired" in refused.message
    assert served.status_code == 200


async def test_a_model_can_be_added_with_the_rules_of_a_known_one(call):
    """Clients of models that the sandbox does not know can be tested."""
    async with Sandbox(SandboxSettings(models_like={"qwen-image-4.0": "qwen-image-2.0"})) as newer:
        served = await call(target=newer, model="qwen-image-4.0", size="512*512", n=2)
        refused = await call(target=newer, model="qwen-image-4.0", size="256*256")

    assert served.usage["image_count"] == 2
    assert refused.code == "InvalidParameter"
