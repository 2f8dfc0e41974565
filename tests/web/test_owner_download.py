"""Downloads for the user of this machine: any address, within limits; failures say why."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from stills.contract.errors import Billing, InvalidReference
from stills.web import OwnerDownload

LIMIT = 1024 * 1024
Page = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(page: Page, certificate: tuple[Path, Path]) -> AsyncIterator[str]:
    """Serve one page for every path of this machine, over TLS."""
    made, key = certificate
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(made, key)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", page)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        yield f"https://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
        await asyncio.sleep(0)


@pytest.fixture
def download(certificate) -> OwnerDownload:
    return OwnerDownload(ssl_context=ssl.create_default_context(cafile=certificate[0]))


async def refuse(download: OwnerDownload, url: str, message: str) -> None:
    with pytest.raises(InvalidReference) as caught:
        await download.get(url, max_bytes=LIMIT)
    assert message in caught.value.message
    assert "secret" not in caught.value.message
    assert caught.value.field == "reference_image"
    assert caught.value.billing is Billing.NONE


async def test_an_image_of_a_private_address_is_downloaded(certificate, download):
    """The user may have a server at home; the signature is sent unchanged."""
    asked = []

    async def page(request):
        asked.append(request.raw_path)
        return web.Response(body=b"picture")

    async with serving(page, certificate) as url:
        got = await download.get(f"{url}/a%20b.png?Signature=x%2Fy%3D", max_bytes=LIMIT)
    assert got == b"picture"
    assert asked == ["/a%20b.png?Signature=x%2Fy%3D"]


@pytest.mark.parametrize("status", [403, 404, 500])
async def test_an_error_of_the_server_is_named(certificate, download, status):
    """The action says what to check, and that nothing was billed."""

    async def page(_):
        return web.Response(status=status, body=b"secret")

    async with serving(page, certificate) as url:
        await refuse(download, f"{url}/a.png?Signature=secret", f"returned status {status}")


async def test_a_redirect_to_http_is_not_followed(certificate, download):
    """The key of the image would depend on what anyone on the way sends."""

    async def page(_):
        return web.Response(status=302, headers={"Location": "http://127.0.0.1/a.png"})

    async with serving(page, certificate) as url:
        await refuse(download, url, "redirected to an address that is not https")


async def test_endless_redirects_end(certificate, download):
    """The limit is the one of guarded downloads."""

    async def page(_):
        return web.Response(status=302, headers={"Location": "/again"})

    async with serving(page, certificate) as url:
        await refuse(download, url, "redirected more than 3 times")


async def test_a_huge_body_is_not_read_to_its_end(certificate, download):
    """Neither if its length is declared nor if it is not."""

    async def page(request):
        response = web.StreamResponse()
        if request.path == "/declared":
            response.content_length = 10 * LIMIT
        await response.prepare(request)
        try:
            for _ in range(100):
                await response.write(bytes(LIMIT // 10))
        except ConnectionError:
            pass
        return response

    async with serving(page, certificate) as url:
        for path in ("/declared", "/undeclared"):
            await refuse(download, url + path, "is over the limit of 1 MB")


async def test_a_server_that_says_nothing_is_given_up(certificate):
    """The deadline covers the whole download."""

    async def page(_):
        await asyncio.sleep(60)
        return web.Response()

    context = ssl.create_default_context(cafile=certificate[0])
    download = OwnerDownload(ssl_context=context, deadline_seconds=0.2)
    async with serving(page, certificate) as url:
        await refuse(download, url, "can't be downloaded within 0.2 s")


async def test_an_unknown_certificate_is_named(certificate):
    """The message says how to trust one's own authority."""

    async def page(_):
        return web.Response(body=b"picture")

    async with serving(page, certificate) as url:
        await refuse(OwnerDownload(), url, "certificate is not trusted; SSL_CERT_FILE")


async def test_a_closed_port_and_an_unknown_name_are_told_apart(download):
    """Both are errors of the request, and nothing is billed."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    await refuse(download, f"https://127.0.0.1:{port}/secret.png", "can't be reached")
    await refuse(download, "https://no-such-name.invalid/secret.png", "host name is unknown")


async def test_a_proxy_that_does_not_answer_is_named(download, monkeypatch):
    """The proxy of the environment is used, as for API calls."""
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    await refuse(download, "https://images.example/secret.png", "the proxy in HTTPS_PROXY")
