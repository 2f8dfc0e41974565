"""Decompression bombs in answers and images: memory stays bounded."""

import asyncio
import json
import subprocess
import sys
import zlib

import pytest
from aiohttp import web

from stills.contract.errors import Billing, LinkDead, UnexpectedAnswer

PATIENCE = 20.0
MIB = 1024 * 1024
BOMB_MIB = 2048
ROOM_MIB = 150


def bomb(encoding: str):
    """Yield chunks that decompress to 2 GiB of spaces, 1 MiB each."""
    wbits = 31 if encoding == "gzip" else 15
    packer = zlib.compressobj(9, zlib.DEFLATED, wbits)
    yield packer.compress(b" " * MIB) + packer.flush(zlib.Z_FULL_FLUSH)
    chunk = packer.compress(b" " * MIB) + packer.flush(zlib.Z_FULL_FLUSH)
    for _ in range(BOMB_MIB - 1):
        yield chunk


SEND_AND_DOWNLOAD = """
import asyncio, resource, sys
from stills.contract.errors import StillsError
from stills.contract.generation import ProviderRequest
from stills.contract.size import Size
from stills.provider.credentials import Credentials, ProviderKey
from stills.provider.dashscope import connect

async def main():
    provider = await connect(Credentials(ProviderKey("sk-sandbox"), sys.argv[1] + "/api/v1"))
    size = Size(1328, 1328)
    request = ProviderRequest("qwen-image-max", "a red kite", None, size, 7, True, False)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for call in (
        provider.send(request, timeout_seconds=50.0),
        provider.download(sys.argv[1] + "/a.png", timeout_seconds=50.0),
    ):
        try:
            await call
        except StillsError as error:
            print(error.code)
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
    await provider.close()

asyncio.run(main())
"""


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
@pytest.mark.parametrize("status", [200, 400])
async def test_a_bomb_of_two_gigabytes_does_not_fill_the_memory(serve, encoding, status, tmp_path):
    """This holds for an answer, an error and an image."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        await request.read()
        answer = web.StreamResponse(
            status=200 if request.path.endswith(".png") else status,
            headers={"Content-Encoding": encoding, "Content-Type": "application/json"},
        )
        await answer.prepare(request)
        for chunk in bomb(encoding):
            await answer.write(chunk)
        return answer

    service = await serve(handle)
    script = tmp_path / "script.py"
    script.write_text(SEND_AND_DOWNLOAD)
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(script), service.origin, stdout=subprocess.PIPE
    )
    output, _ = await process.communicate()
    answer, image, grown_mib = output.decode().split()
    assert (answer, image) == ("unexpected_answer", "link_dead")
    assert int(grown_mib) < ROOM_MIB
    assert len(service.requests) == 2


@pytest.mark.parametrize("status", [200, 400, 500])
async def test_an_answer_over_the_limit_may_be_billed(
    answering, make_provider, provider_request, status
):
    """It is not read completely, so its outcome is unknown."""
    service = await answering(json.dumps({"message": "x" * MIB}).encode(), status=status)
    provider = await make_provider(service.base_url)
    with pytest.raises(UnexpectedAnswer, match="over 1 MiB") as caught:
        await provider.send(provider_request(), timeout_seconds=PATIENCE)
    assert caught.value.billing is Billing.POSSIBLE
    assert len(service.requests) == 1


@pytest.mark.parametrize("nested", [b"[" * MIB, b'{"output":' * 100_000, b"[" * 900 + b"]" * 900])
async def test_an_answer_that_is_nested_too_deeply_is_unexpected(
    answering, make_provider, provider_request, nested
):
    """Neither we nor the SDK crash."""
    service = await answering(nested)
    provider = await make_provider(service.base_url)
    with pytest.raises(UnexpectedAnswer) as caught:
        await provider.send(provider_request(), timeout_seconds=PATIENCE)
    assert caught.value.billing is Billing.POSSIBLE


async def test_a_compressed_answer_is_read(answering, make_provider, provider_request):
    """Compression alone is not an error."""
    link = "http://127.0.0.1:1/a.png"
    body = {"output": {"choices": [{"message": {"content": [{"image": link}]}}]}}
    packer = zlib.compressobj(wbits=31)
    packed = packer.compress(json.dumps(body).encode()) + packer.flush()
    service = await answering(packed, Content_Encoding="gzip")
    provider = await make_provider(service.base_url)
    answer = await provider.send(provider_request(), timeout_seconds=PATIENCE)
    assert answer.image_url == link


async def test_a_compressed_image_is_read(answering, make_provider):
    """A truncated compressed image is a dead link."""
    packer = zlib.compressobj(wbits=31)
    packed = packer.compress(b"\x89PNG bytes") + packer.flush()
    store = await answering(packed, Content_Encoding="gzip")
    provider = await make_provider(store.base_url)
    chunks = await provider.download(store.origin, timeout_seconds=PATIENCE)
    assert b"".join(chunks) == b"\x89PNG bytes"
    broken = await answering(b"\x1f\x8b garbage", Content_Encoding="gzip")
    with pytest.raises(LinkDead):
        await provider.download(broken.origin, timeout_seconds=PATIENCE)
