"""Truncated, malformed and oversized bodies are refused, and nothing is sent."""

import asyncio
import io
import json
from urllib.parse import urlsplit

import aiohttp
import pytest
import pyvips

from stills.sandbox import Sandbox

HEAD = b'--b\r\nContent-Disposition: form-data; name="prompt"\r\n\r\na kite\r\n'
MODEL = b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nqwen-image-2.0\r\n'
FILE = (
    b'--b\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n'
    b"Content-Type: image/png\r\n\r\n" + bytes(pyvips.Image.black(512, 512).pngsave_buffer())
)
DEPTH = b'--b\r\nContent-Disposition: form-data; name="depth"; filename="m.png"\r\n\r\nx\r\n'
MANY_FIELDS = b"".join(
    b'--b\r\nContent-Disposition: form-data; name="f%d"\r\n\r\n1\r\n' % number
    for number in range(70)
)
FORM = {"Content-Type": "multipart/form-data; boundary=b"}


BAD_FORMS = {
    "no end": HEAD,
    "ends in the image": HEAD + FILE,
    "ends in the boundary": HEAD + FILE + b"\r\n--b",
    "two prompts": HEAD + HEAD + b"--b--",
}


@pytest.mark.parametrize("form", BAD_FORMS.values(), ids=BAD_FORMS)
async def test_an_incomplete_or_ambiguous_form_is_refused(
    url: str, http: aiohttp.ClientSession, sandbox: Sandbox, form: bytes
):
    """Nothing is silently dropped; the error comes before anything is billed."""
    async with http.post(f"{url}/v1/images/edits", data=form, headers=FORM) as answer:
        assert answer.status == 400
        assert (await answer.json())["error"]["code"] in ("invalid_request", "invalid_reference")
    assert not sandbox.ledger.generations


async def test_text_that_is_not_utf_8_is_refused(
    url: str, http: aiohttp.ClientSession, sandbox: Sandbox
):
    """In another encoding the prompt would change; UTF-8 in any script is accepted."""
    for prompt, status in (("红色的风筝".encode("gbk"), 400), ("红色的风筝 ÿþ".encode(), 200)):
        form = HEAD.replace(b"a kite", prompt) + MODEL + FILE + b"\r\n--b--"
        async with http.post(f"{url}/v1/images/edits", data=form, headers=FORM) as answer:
            assert answer.status == status
            if status == 400:
                assert (await answer.json())["error"]["param"] == "prompt"
    assert [send.prompt for send in sandbox.ledger.generations] == ["红色的风筝 ÿþ"]


async def test_a_client_that_leaves_in_the_middle_of_a_body_sends_nothing(
    url: str, sandbox: Sandbox, http: aiohttp.ClientSession
):
    """A part of a body is not taken for a request."""
    parts = urlsplit(url)
    reading, writing = await asyncio.open_connection(parts.hostname, parts.port)
    body = HEAD + FILE + b"\r\n--b--"
    head = [
        "POST /v1/images/edits HTTP/1.1",
        f"Host: {parts.netloc}",
        f"Content-Type: {FORM['Content-Type']}",
        f"Content-Length: {len(body) + 99}",
    ]
    writing.write("\r\n".join([*head, "", ""]).encode() + body)
    await writing.drain()
    writing.close()
    await writing.wait_closed()
    assert await reading.read() == b""
    async with http.get(f"{url}/metrics") as answer:
        counted = await answer.text()
    assert 'route="/v1/images/edits",status="499"} 1.0' in counted
    assert not sandbox.ledger.sends


@pytest.mark.parametrize(
    "body",
    [
        b'{"prompt": "x", "\\ud800": 1}',
        b'{"prompt": "x", "user": [' + b"[]," * 200_000 + b"[]]}",
        json.dumps({"prompt": "x", "model": "m" * 2_000_000}).encode(),
        json.dumps({"prompt": "x", "n" * 2_000_000: 1}).encode(),
    ],
    ids=["half a surrogate pair", "many parts", "a long model", "a long name"],
)
async def test_an_oversized_body_gets_a_short_refusal(
    url: str, http: aiohttp.ClientSession, sandbox: Sandbox, body: bytes
):
    """It is not a server error, and the response is much shorter than the body."""
    headers = {"Content-Type": "application/json"}
    async with http.post(
        f"{url}/v1/images/generations", data=io.BytesIO(body), headers=headers
    ) as answer:
        assert answer.status == 400
        assert len(await answer.read()) < 1500
    assert not sandbox.ledger.generations


@pytest.mark.parametrize(("levels", "status"), [(7, 200), (8, 400), (4000, 400)])
async def test_nesting_has_a_limit(url: str, http: aiohttp.ClientSession, levels: int, status: int):
    """An ignored field may be nested up to the same limit."""
    body = f'{{"prompt": "x", "size": "512x512", "user": {"[" * levels}1{"]" * levels}}}'
    headers = {"Content-Type": "application/json"}
    async with http.post(
        f"{url}/v1/images/generations", data=body.encode(), headers=headers
    ) as answer:
        assert answer.status == status


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (MANY_FIELDS, "Too many fields"),
        ((FILE + b"\r\n") * 20, "Too many files"),
        (DEPTH, "the file 'depth' is not supported"),
    ],
    ids=["many fields", "many files", "a file of another name"],
)
async def test_a_form_with_unsupported_parts_is_refused(
    url: str, http: aiohttp.ClientSession, sandbox: Sandbox, more: bytes, words: str
):
    """Nothing is silently dropped, and nothing is sent."""
    form = HEAD + MODEL + more + FILE + b"\r\n--b--"
    async with http.post(f"{url}/v1/images/edits", data=form, headers=FORM) as answer:
        assert answer.status == 400
        assert words in (await answer.json())["error"]["message"]
    assert not sandbox.ledger.generations


@pytest.mark.parametrize(("written", "status"), [("false", 200), ("True", 200), ("no", 400)])
async def test_a_switch_in_a_form_is_true_or_false(
    url: str, http: aiohttp.ClientSession, sandbox: Sandbox, written: str, status: int
):
    """Forms have only text, so the value is read as JSON would write it, in any case."""
    switch = b'--b\r\nContent-Disposition: form-data; name="prompt_extend"\r\n\r\n'
    form = HEAD + MODEL + switch + written.encode() + b"\r\n" + FILE + b"\r\n--b--"
    async with http.post(f"{url}/v1/images/edits", data=form, headers=FORM) as answer:
        assert answer.status == status
    sent = [send.parameters["prompt_extend"] for send in sandbox.ledger.generations]
    assert sent == ([] if status == 400 else [written.lower() == "true"])
