"""Compressed bodies of requests."""

import gzip
import json

import aiohttp
import pytest

from stills.http.content_encoding import decompress
from stills.http.middleware import BODY_MAX_BYTES
from stills.sandbox import Sandbox

JSON = {"Content-Type": "application/json"}
KITE = json.dumps({"prompt": "a red kite", "size": "512*512"}).encode()


async def test_a_gzip_body_is_read(url: str, http: aiohttp.ClientSession, sandbox: Sandbox):
    """It is the same request as without compression, and is not billed again."""
    for body, encoding in ((gzip.compress(KITE), "gzip"), (KITE, "identity")):
        headers = JSON | {"Content-Encoding": encoding}
        async with http.post(f"{url}/v1/image.generate", data=body, headers=headers) as answer:
            assert answer.status == 200, await answer.text()
    assert len(sandbox.ledger.generations) == 1


@pytest.mark.parametrize(
    ("body", "encoding", "status", "text"),
    [
        (KITE, "br", 415, "Content-Encoding"),
        (KITE, "gzip, gzip", 415, "Content-Encoding"),
        (KITE, "gzip", 400, "not complete gzip"),
        (gzip.compress(KITE)[:-9], "gzip", 400, "not complete gzip"),
        (gzip.compress(b" " * (BODY_MAX_BYTES + 1)), "gzip", 413, "20 MB"),
        (gzip.compress(b"[" * 1_000_000), "gzip", 400, "too complex"),
    ],
    ids=["brotli", "twice", "not gzip", "cut off", "a bomb", "nested"],
)
async def test_a_body_that_can_t_be_decompressed_is_refused(
    url: str,
    http: aiohttp.ClientSession,
    sandbox: Sandbox,
    body: bytes,
    encoding: str,
    status: int,
    text: str,
):
    """The limits hold for its content."""
    headers = JSON | {"Content-Encoding": encoding}
    async with http.post(f"{url}/v1/image.generate", data=body, headers=headers) as answer:
        assert answer.status == status
        assert text in (await answer.json())["error"]["message"]
    assert not sandbox.ledger.generations


def test_several_members_are_one_content_within_one_limit():
    """As gzip defines it."""
    body = gzip.compress(b"ab") + gzip.compress(b"cd")
    assert decompress(body, 4) == b"abcd"
    assert decompress(body, 3) is None
