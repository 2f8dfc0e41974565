"""Downloads for untrusted callers: only from the public internet, and within limits."""

import asyncio
import gzip
import ssl
from contextlib import suppress

import pytest
from aiohttp import web

from stills.contract.errors import InvalidReference
from stills.web import GuardedDownload, GuardedResolver

LIMIT = 1024 * 1024
IMAGES = "https://images.example"
NOT_FETCHED = "the URL of reference_image is not allowed"


async def refuse(internet, url: str, message: str) -> None:
    with pytest.raises(InvalidReference) as caught:
        await internet.download.get(url, max_bytes=LIMIT)
    assert message in caught.value.message
    assert caught.value.field == "reference_image"
    assert "example" not in caught.value.message
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


async def test_a_public_image_is_downloaded(internet):
    """Its bytes are unchanged; the request has no cookie and allows no compression."""
    internet.serve("/a b.png", b"picture" * 50_000)
    got = await internet.download.get(f"{IMAGES}/a%20b.png?Signature=x%2Fy%3D", max_bytes=LIMIT)
    assert got == b"picture" * 50_000
    (request,) = internet.requests
    assert request.raw_path == "/a%20b.png?Signature=x%2Fy%3D"
    assert request.headers["Accept-Encoding"] == "identity"
    assert "Cookie" not in request.headers
    assert internet.roads.passed == ["93.184.215.14"]


@pytest.mark.parametrize(
    "url",
    [
        "http://images.example/a.png",
        "https://images.example:80/a.png",
        "https://images.example:8443/a.png",
        "https://images.example:22/a.png",
        "https://127.0.0.1/a.png",
        "https://127.0.0.1./a.png",
        "https://10.0.0.1/a.png",
        "https://100.100.100.200/latest/meta-data/",
        "https://0.0.0.0/",
        "https://0/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://0x7f000001/",
        "https://0177.0.0.1/",
        "https://127.0.0.0x1/",
        "https://①②⑦.0.0.1/",
        "https://169.254.169.254/latest/meta-data/",
        "https://[::1]/",
        "https://[::]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:a9fe:a9fe]/",
        "https://[64:ff9b::a9fe:a9fe]/",
        "https://[2002:7f00:1::]/",
        "https://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/",
        "https://[fd00:ec2::254]/",
        "https://[fe80::1%25eth0]/",
        "https://images.example@127.0.0.1/",
        "https://no-such-name.example/",
    ],
)
async def test_an_address_outside_the_public_internet_is_not_fetched(internet, url):
    """Nothing is sent for any spelling, and the message reveals nothing."""
    await refuse(internet, url, NOT_FETCHED)
    assert internet.requests == []
    assert internet.roads.passed == []


@pytest.mark.parametrize(
    "addresses",
    [["10.0.0.1"], ["93.184.215.14", "10.0.0.1"], ["2606:4700::1111", "::ffff:127.0.0.1"], []],
)
async def test_a_name_with_any_private_address_is_not_fetched(internet, addresses):
    """One private address is enough; a name without an address gets the same error."""
    internet.names.answers["private.example"] = [addresses]
    await refuse(internet, "https://private.example/a.png", NOT_FETCHED)
    assert internet.requests == []


async def test_a_name_is_resolved_once_for_a_connection(internet):
    """A name that turns private later is still connected to the checked address."""
    internet.serve("/a.png", b"public")
    internet.names.answers["images.example"] = [["93.184.215.14"], ["127.0.0.1"]]
    assert await internet.download.get(f"{IMAGES}/a.png", max_bytes=LIMIT) == b"public"
    assert internet.names.asked == ["images.example"]
    assert internet.roads.passed == ["93.184.215.14"]
    await refuse(internet, f"{IMAGES}/a.png", NOT_FETCHED)


async def test_a_name_that_turns_private_during_a_redirect_is_not_fetched(internet):
    """Each redirect is checked again, even one to the same name."""
    internet.redirect("/a.png", "/b.png")
    internet.serve("/b.png", b"secret")
    internet.names.answers["images.example"] = [["93.184.215.14"], ["169.254.169.254"]]
    await refuse(internet, f"{IMAGES}/a.png", NOT_FETCHED)
    assert [request.path for request in internet.requests] == ["/a.png"]


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data/",
        "https://169.254.169.254/latest/meta-data/",
        "//169.254.169.254/latest/meta-data/",
        "https://[::ffff:169.254.169.254]/",
        "https://private.example/a.png",
        "http://images.example/b.png",
        "https://images.example:8443/b.png",
        "file:///etc/passwd",
        "data:image/png;base64,AAAA",
    ],
)
async def test_a_redirect_to_a_forbidden_address_is_refused(internet, location):
    """A public first answer changes nothing."""
    internet.redirect("/a.png", location)
    internet.serve("/b.png", b"secret")
    internet.names.answers["private.example"] = [["192.168.0.1"]]
    await refuse(internet, f"{IMAGES}/a.png", NOT_FETCHED)
    assert [request.path for request in internet.requests] == ["/a.png"]


async def test_three_redirects_are_followed_and_four_are_not(internet):
    """Cookies from redirects are not sent."""
    for step in range(4):
        internet.redirect(f"/{step}", f"https://other.example/{step + 1}")
    internet.serve("/4", b"there")
    assert await internet.download.get(f"{IMAGES}/1", max_bytes=LIMIT) == b"there"
    assert all("Cookie" not in request.headers for request in internet.requests)
    await refuse(internet, f"{IMAGES}/0", "redirected more than 3 times")


async def test_a_redirect_without_an_address_is_an_error(internet):
    """It is an error, neither an endless loop nor a traceback."""
    internet.redirect("/a.png", "")
    await refuse(internet, f"{IMAGES}/a.png", "redirected more than 3 times")
    internet.redirect("/a.png", "https://[::1")
    await refuse(internet, f"{IMAGES}/a.png", "can't be downloaded")


async def test_a_body_with_too_large_a_length_is_not_read(internet):
    """The declared length is enough."""
    internet.serve("/exact.png", b"x" * LIMIT)
    assert len(await internet.download.get(f"{IMAGES}/exact.png", max_bytes=LIMIT)) == LIMIT
    internet.serve("/over.png", b"x" * (LIMIT + 1))
    await refuse(internet, f"{IMAGES}/over.png", "over the limit of 1 MB")


async def test_reading_stops_at_the_limit_without_a_length(internet):
    """An endless body is abandoned, and the connection is closed."""
    gone = asyncio.Event()

    async def endless(request):
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x" * 65536)
                await asyncio.sleep(0)
        except (ConnectionError, asyncio.CancelledError):
            gone.set()
            raise

    internet.pages["/a.png"] = endless
    await refuse(internet, f"{IMAGES}/a.png", "over the limit of 1 MB")
    async with asyncio.timeout(5.0):
        await gone.wait()


async def raw_server(certificate, answer: bytes):
    """Serve fixed bytes, then close."""
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(*certificate)

    async def handle(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        with suppress(ConnectionError):
            await writer.drain()
        writer.close()

    return await asyncio.start_server(handle, "127.0.0.1", 0, ssl=serving)


@pytest.mark.parametrize(
    ("length", "body"), [(b"10", b"x" * 5), (b"-5", b"x"), (b"3", b"abc" + b"x" * (2 * LIMIT))]
)
async def test_a_wrong_length_is_refused(internet, certificate, length, body):
    """A body that is shorter or longer than declared is refused."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: " + length + b"\r\n\r\n" + body
    async with await raw_server(certificate, answer) as server:
        internet.roads.port = server.sockets[0].getsockname()[1]
        await refuse(internet, f"{IMAGES}/a.png", "can't be downloaded")


async def test_a_compressed_body_is_refused_unpacked(internet):
    """A small body could decompress to a large one."""
    body = gzip.compress(bytes(50 * LIMIT))
    internet.serve("/a.png", body, headers={"Content-Encoding": "gzip"})
    await refuse(internet, f"{IMAGES}/a.png", "compressed")


async def test_an_error_status_is_reported(internet):
    """An error page is not an image."""
    internet.serve("/a.png", b"gone", status=404)
    await refuse(internet, f"{IMAGES}/a.png", "status 404")


async def test_a_slow_server_is_abandoned_at_the_deadline(internet):
    """Bytes that keep arriving don't extend it."""

    async def drip(request):
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x")
            await asyncio.sleep(0.02)

    internet.pages["/a.png"] = drip
    internet.download.deadline_seconds = 0.3
    await refuse(internet, f"{IMAGES}/a.png", "can't be downloaded within 0.3 s")


async def test_a_name_that_never_resolves_is_abandoned_at_the_deadline(internet):
    """Resolving the name counts towards it."""

    async def never(*_):
        await asyncio.Event().wait()

    internet.names.resolve = never
    internet.download.deadline_seconds = 0.1
    await refuse(internet, f"{IMAGES}/a.png", "can't be downloaded within 0.1 s")


async def test_an_untrusted_certificate_is_refused(internet):
    """By default the system's authorities are trusted."""
    internet.serve("/a.png", b"picture")
    internet.download = GuardedDownload(resolver=internet.roads)
    await refuse(internet, f"{IMAGES}/a.png", "can't be downloaded")
    assert internet.requests == []


async def test_the_guard_is_on_by_default():
    """It uses the system's resolver and refuses local addresses."""
    download = GuardedDownload()
    assert isinstance(download.resolver, GuardedResolver)
    for host in ("localhost", "a" * 70 + ".example"):
        with pytest.raises(InvalidReference, match=NOT_FETCHED):
            await download.get(f"https://{host}/a.png", max_bytes=LIMIT)
