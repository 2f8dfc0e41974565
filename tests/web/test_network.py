"""Proxies and private CAs: calls, downloads and guarded references all go the same way."""

import asyncio
import json
import os
import ssl
import subprocess
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from tests.support.network import PrivateCa, ProxyServer, make_ca

from stills.config import read_config
from stills.contract.addresses import is_public_address
from stills.contract.errors import (
    Billing,
    ConfigError,
    InvalidReference,
    LinkDead,
    ServiceUnreachable,
    StillsError,
)
from stills.contract.generation import ProviderRequest
from stills.contract.size import Size
from stills.provider.credentials import Credentials, ProviderKey
from stills.provider.dashscope import DashScope, connect
from stills.store import open_store
from stills.web import (
    GuardedDownload,
    GuardedResolver,
    OwnerDownload,
    find_proxy,
    load_certificates,
)
from stills.web.guarded_download import refused

BASE_URL = "https://service.example/api/v1"
IMAGE_URL = "https://images.example/a.png"
REFERENCE_URL = "https://references.example/b.png"
PATIENCE = 20.0
REQUEST = ProviderRequest(
    model="qwen-image-max",
    text="a red kite",
    negative_prompt=None,
    size=Size(1328, 1328),
    seed=7,
    prompt_extend=True,
    watermark=False,
)
ANSWER = {
    "output": {
        "choices": [
            {
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": [{"image": IMAGE_URL}]},
            }
        ]
    },
    "usage": {"width": 1328, "height": 1328, "image_count": 1},
    "request_id": "r-1",
}


class Public(AbstractResolver):
    """Gives every name the same address, or none."""

    def __init__(self, address: str | None) -> None:
        self.address = address

    async def resolve(self, host, port=0, family=0):
        if self.address is None:
            raise OSError("no such name")
        found = ResolveResult(
            hostname=host, host=self.address, port=port, family=family, proto=0, flags=0
        )
        return [found]

    async def close(self) -> None: ...


@pytest.fixture(scope="session")
def ca(tmp_path_factory) -> PrivateCa:
    """A private CA."""
    return make_ca(tmp_path_factory.mktemp("ca"))


@pytest.fixture
async def port(ca):
    """The port of a service, its storage and a host of references, all behind one TLS server."""

    async def answer(request: web.BaseRequest) -> web.Response:
        await request.read()
        if request.method == "PUT":
            return web.Response(headers={"ETag": '"a"'})
        if request.method == "POST":
            return web.Response(body=json.dumps(ANSWER), content_type="application/json")
        return web.Response(body=request.path.encode())

    runner = web.ServerRunner(web.Server(answer), shutdown_timeout=0.05)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=ca.server_context()).start()
    yield runner.addresses[0][1]
    await runner.cleanup()


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch):
    """The network of the machine that runs the tests doesn't matter."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture
async def stack():
    """Closes what a test has opened."""
    async with AsyncExitStack() as opened:
        yield opened


async def open_provider(stack: AsyncExitStack, ca: PrivateCa | None) -> DashScope:
    credentials = Credentials(ProviderKey("sk-1"), BASE_URL)
    certificates = None if ca is None else ("SSL_CERT_FILE", ca.certificate)
    provider = await connect(credentials, certificates=certificates)
    stack.push_async_callback(provider.close)
    return provider


def tls(ca: PrivateCa | None) -> ssl.SSLContext:
    return load_certificates(None if ca is None else ("SSL_CERT_FILE", ca.certificate))


def guarded(ca: PrivateCa | None, address: str | None = "93.184.215.14") -> GuardedDownload:
    resolver = GuardedResolver(Public(address), is_public_address, refused)
    return GuardedDownload(resolver=resolver, ssl_context=tls(ca))


async def failure(awaited) -> StillsError:
    with pytest.raises(StillsError) as caught:
        await awaited
    return caught.value


@pytest.mark.parametrize("login", [None, "anna:s3cret"])
@pytest.mark.parametrize("scheme", ["http", "socks5", "socks5h"])
async def test_everything_goes_through_the_proxy_and_trusts_the_private_ca(
    scheme, login, port, ca, stack, monkeypatch
):
    """The call, the image's download, and references; the proxy resolves the names."""
    proxy = await stack.enter_async_context(ProxyServer(scheme, port, login))
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    provider = await open_provider(stack, ca)
    answer = await provider.send(REQUEST, timeout_seconds=PATIENCE)
    assert answer.image_url == IMAGE_URL
    image = await provider.download(IMAGE_URL, timeout_seconds=PATIENCE)
    assert b"".join(image) == b"/a.png"
    assert set(proxy.asked) == {"service.example:443", "images.example:443"}
    for download in (guarded(ca), OwnerDownload(ssl_context=tls(ca))):
        proxy.asked.clear()
        assert await download.get(REFERENCE_URL, max_bytes=100) == b"/b.png"
        assert proxy.asked == ["references.example:443"]


async def test_a_bucket_is_reached_the_same_way(port, ca, stack, monkeypatch):
    """Its client reads the environment itself."""
    proxy = await stack.enter_async_context(ProxyServer("http", port))
    for name, value in {
        "HTTPS_PROXY": proxy.url,
        "SSL_CERT_FILE": str(ca.certificate),
        "AWS_ENDPOINT_URL": "https://service.example",
        "AWS_ACCESS_KEY_ID": "id",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "nowhere",
    }.items():
        monkeypatch.setenv(name, value)
    bucket = open_store("s3://bucket/prefix")
    stack.push_async_callback(bucket.close)
    await bucket.put("a.png", b"image")
    assert proxy.asked == ["service.example:443"]


@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_an_unknown_certificate_is_named(scheme, port, stack, monkeypatch):
    """The error says which, and how to trust it; nothing was sent, and a retry is free."""
    proxy = await stack.enter_async_context(ProxyServer(scheme, port))
    monkeypatch.setenv("ALL_PROXY", proxy.url)
    provider = await open_provider(stack, None)
    error = await failure(provider.send(REQUEST, timeout_seconds=PATIENCE))
    assert isinstance(error, ServiceUnreachable)
    assert "the certificate of service.example can't be verified" in error.message
    assert "SSL_CERT_FILE" in error.action
    assert error.billing is Billing.NONE
    error = await failure(provider.download(IMAGE_URL, timeout_seconds=PATIENCE))
    assert isinstance(error, LinkDead)
    assert "the certificate of images.example can't be verified" in error.message
    assert "SSL_CERT_FILE" in error.action
    assert error.billing is Billing.BILLED
    for download in (guarded(None), OwnerDownload(ssl_context=tls(None))):
        error = await failure(download.get(REFERENCE_URL, max_bytes=100))
        assert isinstance(error, InvalidReference)
        assert "certificate" in error.message


@pytest.mark.parametrize("trouble", ["refuses", "password", "is closed"])
@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_a_proxy_that_makes_no_connection_is_named(
    scheme, trouble, port, ca, stack, monkeypatch
):
    """By its address, without the password; the error of a reference names the variable."""
    proxy = ProxyServer(scheme, port, "anna:s3cret", refuses=trouble == "refuses")
    async with proxy:
        url = proxy.url.replace("s3cret", "wr0ng") if trouble == "password" else proxy.url
        monkeypatch.setenv("HTTPS_PROXY", url)
        if trouble == "is closed":
            await proxy.__aexit__()
        provider = await open_provider(stack, ca)
        errors = [
            await failure(provider.send(REQUEST, timeout_seconds=PATIENCE)),
            await failure(provider.download(IMAGE_URL, timeout_seconds=PATIENCE)),
        ]
        for error in errors:
            assert f"the proxy {scheme}://127.0.0.1:{proxy.port} " in error.message
            assert "HTTPS_PROXY" in error.action
            assert "s3cret" not in str(error)
            assert "wr0ng" not in str(error)
        assert [error.billing for error in errors] == [Billing.NONE, Billing.BILLED]
        for download in (guarded(ca), OwnerDownload(ssl_context=tls(ca))):
            error = await failure(download.get(REFERENCE_URL, max_bytes=100))
            assert "the proxy in HTTPS_PROXY" in error.message
            assert str(proxy.port) not in str(error)


@pytest.mark.parametrize("address", ["10.0.0.1", "169.254.169.254", None])
async def test_a_guarded_name_must_be_public_here_as_well(address, port, ca, stack, monkeypatch):
    """A proxy may reach what this machine must not; unknown and private names look the same."""
    proxy = await stack.enter_async_context(ProxyServer("http", port))
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    error = await failure(guarded(ca, address).get(REFERENCE_URL, max_bytes=100))
    assert error.message == refused().message
    assert proxy.asked == []


def test_no_proxy_lists_hosts_that_need_none(monkeypatch):
    """A domain stands for its hosts; local addresses never need a proxy."""
    monkeypatch.setenv("HTTPS_PROXY", "proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "images.example,.inside.example")
    found = find_proxy(BASE_URL)
    assert found is not None
    assert (found.http_url, found.shown) == ("http://proxy.example:3128",) * 2
    for url in (IMAGE_URL, "https://a.inside.example", "https://127.0.0.1", "https://localhost"):
        assert find_proxy(url) is None
    monkeypatch.setenv("NO_PROXY", "*")
    assert find_proxy(BASE_URL) is None


def test_a_scheme_of_its_own_comes_before_all_proxy(monkeypatch):
    """ALL_PROXY is for what has none."""
    monkeypatch.setenv("ALL_PROXY", "socks5://all.example:1080")
    monkeypatch.setenv("HTTPS_PROXY", "http://https.example:3128")
    assert [find_proxy(f"{scheme}://a.example").shown for scheme in ("http", "https")] == [
        "socks5://all.example:1080",
        "http://https.example:3128",
    ]


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (
            "socks4://proxy.example:1080",
            "socks4://proxy.example:1080 in HTTPS_PROXY has an unknown",
        ),
        ("ftp://u:s3cret@proxy.example", "the proxy ftp://proxy.example in HTTPS_PROXY has"),
        ("http://:3128", "the proxy in HTTPS_PROXY is not a URL"),
        ("http://proxy.example:x", "the proxy in HTTPS_PROXY is not a URL"),
    ],
)
async def test_an_invalid_proxy_is_refused_before_anything_is_sent(
    written, message, stack, monkeypatch
):
    """The error names the variable, and no password."""
    monkeypatch.setenv("HTTPS_PROXY", written)
    error = await failure(open_provider(stack, None))
    assert isinstance(error, ConfigError)
    assert message in error.message
    assert "s3cret" not in str(error)


async def test_a_socks_proxy_without_its_package_is_refused(stack, monkeypatch):
    """The error says what to install."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    monkeypatch.setenv("ALL_PROXY", "socks5h://proxy.example:1080")
    error = await failure(open_provider(stack, None))
    assert isinstance(error, ConfigError)
    assert "stills[socks]" in error.action


def test_certificates_come_from_the_first_variable_that_is_set():
    """An empty one is not set."""
    given = {"SSL_CERT_DIR": "/certificates", "REQUESTS_CA_BUNDLE": "/bundle.pem"}
    assert read_config(given).certificates == ("SSL_CERT_DIR", Path("/certificates"))
    assert read_config(given | {"SSL_CERT_DIR": ""}).certificates == (
        "REQUESTS_CA_BUNDLE",
        Path("/bundle.pem"),
    )
    assert read_config({}).certificates is None


@pytest.mark.parametrize("content", [None, b"not a certificate"])
def test_certificates_that_cant_be_read_are_named(content, tmp_path):
    """The file is missing, or is not a PEM file."""
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(
        ConfigError, match="no certificates can be read from SSL_CERT_FILE="
    ) as caught:
        load_certificates(("SSL_CERT_FILE", path))
    assert caught.value.field == "SSL_CERT_FILE"


async def test_a_folder_of_certificates_is_trusted(port, ca, stack, tmp_path, monkeypatch):
    """Its files are named by hash, as OpenSSL wants it."""
    naming = ["openssl", "x509", "-hash", "-noout", "-in", str(ca.certificate)]
    done = await asyncio.to_thread(subprocess.run, naming, capture_output=True, text=True)
    (tmp_path / f"{done.stdout.strip()}.0").write_bytes(ca.certificate.read_bytes())
    proxy = await stack.enter_async_context(ProxyServer("http", port))
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    download = OwnerDownload(ssl_context=load_certificates(("SSL_CERT_DIR", tmp_path)))
    assert await download.get(REFERENCE_URL, max_bytes=100) == b"/b.png"
