"""References given as URLs, from a real server to the bill of the sandbox."""

import asyncio
import hashlib
import ssl

import pytest
import pyvips
from aiohttp import web

from stills.contract.errors import InvalidReference
from stills.contract.request import ImageRequest
from stills.web import OwnerDownload

MODEL = "qwen-image-2.0"


def png(width: int) -> bytes:
    return bytes(pyvips.Image.black(width, 64, bands=3).pngsave_buffer())


class Bucket:
    """Objects on an https server, which counts the downloads and takes any signature."""

    def __init__(self) -> None:
        self.url = ""
        self.objects: dict[str, bytes] = {}
        self.asked = 0

    async def answer(self, request: web.Request) -> web.Response:
        self.asked += 1
        body = self.objects.get(request.path)
        return web.Response(status=403) if body is None else web.Response(body=body)


@pytest.fixture
async def bucket(certificate):
    """A running bucket."""
    made, key = certificate
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(made, key)
    here = Bucket()
    app = web.Application()
    app.router.add_route("GET", "/{path:.*}", here.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    here.url = f"https://127.0.0.1:{runner.addresses[0][1]}"
    yield here
    await runner.cleanup()
    await asyncio.sleep(0)


@pytest.fixture
async def stills(make_stills, certificate):
    """One Stills that trusts the bucket's certificate."""
    context = ssl.create_default_context(cafile=certificate[0])
    return await make_stills(downloader=OwnerDownload(ssl_context=context))


def request(reference: str | bytes, **fields) -> ImageRequest:
    return ImageRequest(prompt="a kite", size="1024*1024", reference_image=reference, **fields)


async def test_the_same_object_under_another_signature_is_one_bill(bucket, stills, sandbox):
    """So is its file: the key has the content, and the service gets exactly this content."""
    bucket.objects["/anna.png"] = png(64)
    first = await stills.generate(request(f"{bucket.url}/anna.png?Signature=one"), model=MODEL)
    for again in (f"{bucket.url}/anna.png?Signature=two", png(64)):
        result = await stills.generate(request(again), model=MODEL)
        assert (result.id, result.cached) == (first.id, True)
    assert sandbox.ledger.billed_images == 1
    (send,) = sandbox.ledger.generations
    assert send.references == (hashlib.sha256(png(64)).hexdigest(),)


async def test_another_object_under_the_same_url_is_another_image(bucket, make_stills, certificate):
    """A link to `latest.png` gets an image of what it leads to."""
    context = ssl.create_default_context(cafile=certificate[0])
    results = []
    for width in (64, 65):
        bucket.objects["/latest.png"] = png(width)
        stills = await make_stills(downloader=OwnerDownload(ssl_context=context))
        results.append(await stills.generate(request(f"{bucket.url}/latest.png"), model=MODEL))
    assert results[0].id != results[1].id


async def test_a_batch_of_shots_downloads_its_portrait_once(bucket, stills, sandbox):
    """Each shot is an image of its own."""
    bucket.objects["/anna.png"] = png(64)
    shots = [request(f"{bucket.url}/anna.png?Signature=one", seed=seed) for seed in range(8)]
    outcomes = [one async for one in stills.generate_many(shots, model=MODEL)]
    assert all(one.error is None for one in outcomes)
    assert (bucket.asked, sandbox.ledger.billed_images) == (1, 8)


async def test_a_failed_download_bills_nothing(bucket, stills, sandbox):
    """An expired signature is an error of the request, before anything is sent."""
    url = f"{bucket.url}/anna.png?Signature=expired"
    with pytest.raises(InvalidReference, match="returned status 403") as caught:
        await stills.generate(request(url), model=MODEL)
    assert "has not expired" in caught.value.action
    assert "Signature" not in f"{caught.value.message} {caught.value.action}"
    assert sandbox.ledger.sends == ()


async def test_records_have_no_query_and_no_signature(bucket, stills, tmp_path):
    """A signed link is a secret while it is valid."""
    bucket.objects["/anna.png"] = png(64)
    await stills.generate(request(f"{bucket.url}/anna.png?Signature=swordfish"), model=MODEL)
    (image,) = await stills.images.list()
    (reference,) = image.generation.spec.references
    assert reference.shown == f"{bucket.url}/anna.png"
    files = [one for one in tmp_path.rglob("*") if one.is_file()]
    assert files
    assert all(b"swordfish" not in one.read_bytes() for one in files)
