"""Downloads from answers' links: bounded, without the key, never into a private network."""

import asyncio
import socket
import ssl
from contextlib import AsyncExitStack

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from stills.contract.errors import Billing, LinkDead
from stills.provider import links
from stills.provider.credentials import Credentials, ProviderKey
from stills.provider.dashscope import DashScope
from stills.provider.links import ImageLinks
from stills.sandbox import Fault, FaultKind, SendKind

PATIENCE = 20.0

INWARD = [
    "http://127.0.0.1/a",
    "http://127.8.9.1:8080/a",
    "http://localhost/a",
    "http://LOCALHOST./a",
    "http://foo.localhost/a",
    "http://[::1]/a",
    "http://[::ffff:127.0.0.1]/a",
    "http://0.0.0.0/a",
    "http://[::]/a",
    "http://10.1.2.3/a",
    "http://172.16.0.1/a",
    "http://192.168.1.1/a",
    "http://169.254.169.254/latest/meta-data",
    "http://100.100.100.200/latest/meta-data",
    "http://[fe80::1]/a",
    "http://[fe80::1%25eth0]/a",
    "http://[fd00::1]/a",
    "http://224.0.0.1/a",
    "http://127.1/a",
    "http://2130706433/a",
    "http://0x7f000001/a",
    "http://0177.0.0.1/a",
    "http://10.1/a",
    "http://metadata.google.internal/a",
    "http://printer.local/a",
    "http://[64:ff9b::7f00:1]/a",
    "http://[64:ff9b::a9fe:a9fe]/a",
    "http://[2002:7f00:1::]/a",
    "http://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/a",
    "http://[2606:4700::5efe:10.0.0.1]/a",
    "http://192.0.0.192/a",
    "http://168.63.129.16/a",
    "http://[fd00:ec2::254]/a",
    "http://①②⑦.0.0.1/a",
    "http://１２７.0.0.1/a",
    "http://0177.1/a",
    "https://public.example@10.0.0.1/a",
]
NO_LINKS = [
    "file:///etc/hostname",
    "javascript:alert(1)",
    "ftp://example.com/a.png",
    "oss://bucket/a.png",
    "data:image/png;base64,AAAA",
    "http:///a.png",
    "https://",
    "http://[::1/a",
    "//example.com/a.png",
    "/etc/hostname",
    "",
]


@pytest.fixture
async def remote():
    """A provider of the real service; nothing is sent."""
    provider = DashScope(
        Credentials(ProviderKey("sk-x"), "https://dashscope.aliyuncs.com/api/v1"),
        ssl.create_default_context(),
    )
    yield provider
    await provider.close()


async def dead(provider, url: str, *, timeout_seconds: float = PATIENCE) -> LinkDead:
    with pytest.raises(LinkDead) as caught:
        await provider.download(url, timeout_seconds=timeout_seconds)
    assert caught.value.billing is Billing.BILLED
    return caught.value


@pytest.mark.parametrize("url", INWARD)
async def test_a_link_into_a_private_network_is_not_followed(remote, url):
    """A forged answer can't make us contact an internal machine."""
    error = await dead(remote, url)
    assert "private network" in error.message
    assert "DASHSCOPE_HTTP_BASE_URL" in error.action


@pytest.mark.parametrize("url", NO_LINKS)
async def test_an_invalid_link_is_not_followed(remote, provider, url):
    """This holds for the service and the sandbox."""
    for each in (remote, provider):
        assert "not an http(s) URL" in (await dead(each, url)).message


class Names(AbstractResolver):
    """A name server with the answers of a test."""

    def __init__(self, **addresses: str) -> None:
        self.addresses = {name.replace("_", "."): one for name, one in addresses.items()}
        self.asked: list[str] = []

    async def resolve(self, host, port=0, family=socket.AF_INET):
        self.asked.append(host)
        if host not in self.addresses:
            raise OSError("no such name")
        found = self.addresses[host].split()
        return [
            ResolveResult(hostname=host, host=one, port=port, family=family, proto=0, flags=0)
            for one in found
        ]

    async def close(self) -> None: ...


@pytest.fixture
async def links_of():
    """Make link downloads that use the simulated name server."""
    async with AsyncExitStack() as stack:

        def make(base_url: str, **addresses: str) -> ImageLinks:
            made = ImageLinks(base_url, ssl.create_default_context(), resolver=Names(**addresses))
            stack.push_async_callback(made.close)
            return made

        yield make


REMOTE = "https://dashscope.example/api/v1"


@pytest.mark.parametrize(
    "addresses",
    ["10.0.0.1", "93.184.215.14 169.254.169.254", "64:ff9b::a00:1"],
)
async def test_a_link_whose_name_has_a_private_address_is_not_followed(links_of, addresses):
    """One private address of a public name is enough."""
    links = links_of(REMOTE, oss_example=addresses, dashscope_example="93.184.215.14")
    assert "private network" in (await dead(links, "http://oss.example/a.png")).message


async def test_a_service_in_a_private_network_may_link_into_it(serve, links_of):
    """Examples are private endpoints of DashScope and addresses of a VPN."""

    async def picture(_: web.BaseRequest) -> web.Response:
        return web.Response(body=b"1")

    store = await serve(picture)
    port = store.origin.rpartition(":")[2]
    inside = links_of(REMOTE, oss_example="127.0.0.1", dashscope_example="100.64.0.7")
    link = f"http://oss.example:{port}/a.png"
    assert list(await inside.download(link, timeout_seconds=PATIENCE)) == [b"1"]
    assert list(await inside.download(store.origin, timeout_seconds=PATIENCE)) == [b"1"]
    outside = links_of(REMOTE, oss_example="127.0.0.1", dashscope_example="93.184.215.14")
    await dead(outside, link)
    assert len(store.requests) == 2


async def test_a_service_with_a_temporary_name_error_is_looked_up_again(serve, links_of):
    """One failure of a name server must not block a private service's images."""

    async def picture(_: web.BaseRequest) -> web.Response:
        return web.Response(body=b"1")

    store = await serve(picture)
    links = links_of(REMOTE)
    await dead(links, store.origin)
    links.resolver.addresses["dashscope.example"] = "10.0.0.7"
    assert list(await links.download(store.origin, timeout_seconds=PATIENCE)) == [b"1"]


@pytest.mark.parametrize("url", ["http://169.254.169.254/a", "http://meta.example/a"])
async def test_a_link_to_a_cloud_machines_metadata_is_never_followed(links_of, url):
    """This holds even if the service is in a private network."""
    links = links_of("http://127.0.0.1:9/api/v1", meta_example="169.254.169.254")
    assert "private network" in (await dead(links, url)).message


async def test_an_unknown_name_is_a_link_that_may_work_later(links_of):
    """Name servers can fail temporarily."""
    error = await dead(links_of(REMOTE), "https://oss.example/a.png")
    assert "was interrupted" in error.message
    assert error.retryable


async def test_a_link_through_a_proxy_is_resolved_there(serve, links_of, monkeypatch):
    """The proxy may be anywhere, but private addresses stay forbidden."""

    async def picture(_: web.BaseRequest) -> web.Response:
        return web.Response(body=b"1")

    proxy = await serve(picture)
    monkeypatch.setenv("http_proxy", proxy.origin)
    monkeypatch.delenv("no_proxy", raising=False)
    links = links_of(REMOTE)
    got = await links.download("http://oss.example/a.png", timeout_seconds=PATIENCE)
    assert list(got) == [b"1"]
    await dead(links, "http://10.0.0.1/a.png")
    (request,) = proxy.requests
    assert request.headers["Host"] == "oss.example"


@pytest.mark.parametrize("port", ["99999", "x"])
async def test_a_link_with_no_possible_port_is_dead(provider, port):
    """A URL that no client accepts is LinkDead."""
    await dead(provider, f"http://127.0.0.1:{port}/a.png")


async def test_the_image_is_downloaded_unchanged_and_without_the_key(
    answering, make_provider, provider_request, key
):
    """The download carries no Authorization, no cookie and no trace of the key."""
    store = await answering(b"\x89PNG bytes", Content_Type="image/png")
    link = f"{store.origin}/a.png?Expires=1&Signature=a%2Bb%3D"
    service = await answering(
        {"output": {"choices": [{"message": {"content": [{"image": link}]}}]}},
        Set_Cookie="session=1",
    )
    provider = await make_provider(service.base_url)
    answer = await provider.send(provider_request(), timeout_seconds=PATIENCE)
    chunks = await provider.download(answer.image_url, timeout_seconds=PATIENCE)
    assert b"".join(chunks) == b"\x89PNG bytes"
    assert service.requests[0].headers["Authorization"] == f"Bearer {key}"
    (download,) = store.requests
    assert download.path_qs == "/a.png?Expires=1&Signature=a%2Bb%3D"
    assert not {"Authorization", "Cookie"} & set(download.headers)
    assert key not in str(download.headers)


async def test_a_redirect_of_a_link_is_not_followed(answering, provider):
    """A redirect could lead into a private network."""
    elsewhere = await answering(b"inner")
    store = await answering(b"", status=302, Location=elsewhere.origin)
    assert "302" in (await dead(provider, store.origin)).message
    assert elsewhere.requests == []


async def test_a_link_with_too_many_bytes_is_cut_off(answering, provider, monkeypatch):
    """A hostile link can't fill the memory."""
    monkeypatch.setattr(links, "IMAGE_MAX_BYTES", 1024 * 1024)
    store = await answering(b"x" * (1024 * 1024 + 1))
    assert "over 1 MiB" in (await dead(provider, store.origin)).message
    exact = await answering(b"x" * 1024 * 1024)
    chunks = await provider.download(exact.origin, timeout_seconds=PATIENCE)
    assert len(b"".join(chunks)) == 1024 * 1024


@pytest.mark.parametrize("status", [204, 206, 403, 404, 500])
async def test_anything_but_200_is_a_dead_link(answering, provider, status):
    """The error names the status."""
    store = await answering(b"", status=status)
    assert f"returned status {status}" in (await dead(provider, store.origin)).message


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault(FaultKind.DEAD_URL), "returned status 403"),
        (Fault(FaultKind.DROP_DOWNLOAD), "was interrupted"),
        (Fault(FaultKind.SLOW_DOWNLOAD, delay_seconds=3600.0), "timed out"),
    ],
)
async def test_a_failed_download_can_be_retried(
    provider, sandbox, provider_request, skip_time, fault, words
):
    """Each attempt is one download; the next one succeeds, free of charge."""
    answer = await provider.send(provider_request(), timeout_seconds=PATIENCE)
    sandbox.set_faults(fault)
    failing = asyncio.create_task(dead(provider, answer.image_url))
    if fault.kind is FaultKind.SLOW_DOWNLOAD:
        await skip_time(PATIENCE, once=lambda: sandbox.ledger.of_kind(SendKind.DOWNLOAD))
    error = await failing
    assert words in error.message
    assert error.retryable
    assert len(sandbox.ledger.of_kind(SendKind.DOWNLOAD)) == 1
    data = b"".join(await provider.download(answer.image_url, timeout_seconds=PATIENCE))
    assert data.startswith(b"\x89PNG")
    assert sandbox.ledger.billed_images == 1


async def test_a_link_without_a_server_is_dead(provider, unused_tcp_port):
    """A failed connection is LinkDead."""
    error = await dead(provider, f"http://127.0.0.1:{unused_tcp_port}/a.png")
    assert "was interrupted" in error.message


async def test_a_local_link_is_followed_only_for_a_sandbox(serve, provider, remote):
    """The sandbox serves its images locally."""

    async def picture(_: web.BaseRequest) -> web.Response:
        return web.Response(body=b"1")

    store = await serve(picture)
    assert list(await provider.download(store.origin, timeout_seconds=PATIENCE)) == [b"1"]
    await dead(remote, store.origin)
    assert len(store.requests) == 1


async def test_links_that_end_with_the_process_are_not_resumed(
    make_provider, sandbox, provider_request
):
    """An embedded sandbox's links count as expired at once."""
    provider = await make_provider(sandbox.base_url, has_live_links=False)
    assert (await provider.send(provider_request(), timeout_seconds=PATIENCE)).expires_at == 0.0
