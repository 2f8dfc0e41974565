"""The server as a DashScope client sees it."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import aiohttp
import dashscope
import pytest
import pyvips
from dashscope.aigc.image_generation import ImageGeneration

import stills.sandbox
from stills.sandbox import Fault, FaultKind, Sandbox, SandboxSettings, SendKind, serve

PATIENCE_SECONDS = 30


async def test_the_sdk_gets_an_image_of_the_requested_size(call, download):
    """A call of the real SDK returns a PNG of the native size."""
    answer = await call(size="928*1664", seed=7)

    assert answer.status_code == 200
    usage = answer.usage
    assert (usage["width"], usage["height"], usage["image_count"]) == (928, 1664, 1)
    assert answer.output["task_metric"] == {"TOTAL": 1, "SUCCEEDED": 1, "FAILED": 0}
    assert answer.output["choices"][0]["finish_reason"] == "stop"
    got = await download(answer)
    image = pyvips.Image.new_from_buffer(got.body, "")
    assert (image.width, image.height, image.bands) == (928, 1664, 3)
    assert got.headers["Content-Type"] == "image/png"
    assert int(got.headers["Content-Length"]) == len(got.body)


async def test_several_images_are_parts_with_consecutive_seeds(call, download, urls_of):
    """A successor model returns n different images for a request of n."""
    answer = await call(model="qwen-image-2.0", size="512*512", n=3, seed=1)

    urls = urls_of(answer)
    images = {(await download(url)).body for url in urls}
    assert len(images) == len(urls) == answer.usage["image_count"] == 3


@pytest.mark.parametrize(
    ("model", "has_metric", "usage"),
    [
        ("qwen-image-2.0", False, {"width": 2048, "height": 1024, "image_count": 2}),
        (
            "qwen-image-3.0",
            False,
            {
                "output_width": 2048,
                "output_height": 1024,
                "output_image_count": 2,
                "output_image_type": "1K",
                "input_image_count": 1,
            },
        ),
    ],
)
async def test_each_version_answers_in_its_own_form(call, model, has_metric, usage):
    """Only qwen-image-max has a metric of the task; 3.0 tells output from input."""
    reference = "https://example.com/a.png"
    answer = await call(model=model, size="2048*1024", n=2, images=[reference])

    assert ("task_metric" in answer.output) is has_metric
    assert {name: value for name, value in answer.usage.items() if value} == usage


async def test_the_same_url_gives_the_same_bytes_again(call, download):
    """Rendering at download time is deterministic."""
    answer = await call(seed=5)

    assert (await download(answer)).body == (await download(answer)).body


async def test_every_answer_is_marked_as_the_sandboxs(sandbox, session):
    """A header shows that this is not DashScope, for every path and status."""
    origin = sandbox.base_url.removesuffix("/api/v1")
    for path in ["/_sandbox/health", "/api/v1/nothing", "/images/x.png", "/", "/upload"]:
        async with session.get(origin + path) as answer:
            assert answer.headers["X-Stills-Sandbox"] == "1", path


async def test_a_url_ends_in_png_and_expires(call, download, urls_of):
    """After Expires, the URL returns 403 with an XML document, as OSS does."""
    async with Sandbox(SandboxSettings(url_ttl_seconds=0)) as short_lived:
        answer = await call(target=short_lived)
        got = await download(answer)

    assert urls_of(answer)[0].partition("?")[0].endswith(".png")
    assert got.status == 403
    assert got.headers["Content-Type"].startswith("application/xml")
    assert b"<Code>AccessDenied</Code>" in got.body
    assert b"expired" in got.body


async def test_a_changed_url_is_refused(call, download, urls_of):
    """Editing a URL neither extends it nor reaches another image."""
    url = urls_of(await call())[0]
    for changed in [url.replace("Expires=", "Expires=9"), url.replace("-0.png", "-1.png")]:
        got = await download(changed)
        assert got.status == 403
        assert b"SignatureDoesNotMatch" in got.body


@pytest.mark.parametrize("path", ["x.png", "x.png?Expires=abc&Signature=%FF", "%ED%A0%80.png"])
async def test_a_made_up_url_is_refused(sandbox, download, path):
    """A URL without a valid signature returns 403."""
    got = await download(sandbox.base_url.replace("/api/v1", "/images/") + path)

    assert got.status == 403


async def test_above_the_rate_limit_requests_get_429_with_retry_after(call):
    """A burst over the limit is throttled until the bucket has a token."""
    async with Sandbox(SandboxSettings(rate_limit_per_second=0.01)) as limited:
        first = await call(target=limited)
        second = await call(target=limited)
        limited.reset()
        third = await call(target=limited)

    assert [first.status_code, second.status_code, third.status_code] == [200, 429, 200]
    assert second.code == "Throttling.RateQuota"
    assert 1 <= int(second.headers["Retry-After"]) <= 100


async def test_closing_drops_calls_in_flight(call):
    """Closing does not wait for the slowest answer."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        async with Sandbox(SandboxSettings(latency_seconds=3600)) as slow:
            waiting = asyncio.create_task(call(target=slow))
            while not slow.ledger.generations:
                await asyncio.sleep(0.01)
        with pytest.raises(aiohttp.ClientError):
            await waiting


async def test_closing_stops_work_whose_caller_has_left(call):
    """A request that its client abandoned ends with the sandbox."""
    before = asyncio.all_tasks()
    async with Sandbox(SandboxSettings(latency_seconds=3600)) as slow:
        waiting = asyncio.create_task(call(target=slow))
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not slow.ledger.generations:
                await asyncio.sleep(0.01)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    assert asyncio.all_tasks() == before


async def test_serve_announces_itself_and_stops_when_cancelled(session):
    """`serve` runs until cancelled, and then stops listening."""
    announced = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(SandboxSettings(), announced.set_result))
    running = await asyncio.wait_for(announced, PATIENCE_SECONDS)
    async with session.get(f"{running.control_url}/health") as answer:
        assert await answer.json() == {"status": "ok"}

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(aiohttp.ClientConnectorError):
        await session.get(f"{running.control_url}/health")


async def test_a_taken_port_is_an_error(sandbox):
    """Two sandboxes can't share a port."""
    port = int(sandbox.base_url.split(":")[2].partition("/")[0])
    with pytest.raises(OSError, match=str(port)):
        async with Sandbox(SandboxSettings(port=port)):
            pass


async def test_all_interfaces_are_announced_as_a_reachable_address(call, download):
    """Bound to 0.0.0.0, base_url is still reachable."""
    async with Sandbox(SandboxSettings(host="0.0.0.0")) as everywhere:
        answer = await call(target=everywhere)
        assert everywhere.base_url.startswith("http://127.0.0.1:")
        assert (await download(answer)).status == 200


async def test_asynchronous_calls_are_refused(post, sandbox, session):
    """Other paths than that of tasks answer 403 to the asynchronous header."""
    body = {"model": "qwen-image-max"}
    assert (await post(body, X_DashScope_Async="enable")).status == 403
    url = f"{sandbox.base_url}/services/aigc/text2image/image-synthesis"
    async with session.post(url, headers={"X-DashScope-Async": "enable"}) as answer:
        assert answer.status == 403
        assert (await answer.json())["code"] == "AccessDenied"


async def test_the_sdk_uploads_a_file_that_a_text_names_and_the_ledger_shows_it(
    sandbox, tmp_path, monkeypatch
):
    """The SDK takes a text that is a path for a file, which clients must prevent."""
    secret = tmp_path / "secret.txt"
    secret.write_text("not for the service")
    monkeypatch.setattr(dashscope, "base_http_api_url", sandbox.base_url)
    answer = await asyncio.to_thread(
        ImageGeneration.call,
        model="qwen-image-max",
        api_key="sk-sandbox",
        messages=[{"role": "user", "content": [{"text": str(secret)}]}],
    )

    assert answer.status_code == 200
    kinds = [send.kind for send in sandbox.ledger.sends]
    assert kinds == [SendKind.UPLOAD_POLICY, SendKind.UPLOAD, SendKind.GENERATION]
    assert sandbox.ledger.sends[1].file_name.endswith("/secret.txt")
    assert sandbox.ledger.sends[2].prompt.startswith("oss://")


async def test_a_policy_needs_a_key_and_the_right_action(sandbox, session):
    """The uploads endpoint returns 401 without a key and 400 without an action."""
    url = f"{sandbox.base_url}/uploads"
    async with session.get(url, params={"action": "getPolicy"}) as answer:
        assert answer.status == 401
    async with session.get(url, headers={"Authorization": "Bearer sk-sandbox"}) as answer:
        assert answer.status == 400


@pytest.mark.parametrize(
    ("sent", "content_type"),
    [
        (b"x", "multipart/form-data; boundary=a"),
        (b"x", "multipart/form-data"),
        (b"--a\r\nxx\r\n\r\n", "multipart/form-data; boundary=a"),
        (b"x", "application/x-www-form-urlencoded; charset=bogus"),
        (b"key=a", "application/x-www-form-urlencoded"),
        (b"", "text/plain"),
    ],
)
async def test_an_upload_must_be_a_form_with_a_file(sandbox, session, sent, content_type):
    """A malformed upload gets 400 and is recorded."""
    url = sandbox.base_url.replace("/api/v1", "/upload")
    headers = {"Content-Type": content_type}
    async with session.post(url, data=sent, headers=headers) as answer:
        assert answer.status == 400

    assert [(send.kind, send.status) for send in sandbox.ledger.sends] == [(SendKind.UPLOAD, 400)]


async def test_the_dashscope_command_line_works_unchanged(sandbox, tmp_path):
    """`dashscope image-generation create` prints the answer; it sends n and max_images as null."""
    environment = os.environ | {
        "DASHSCOPE_HTTP_BASE_URL": sandbox.base_url,
        "DASHSCOPE_API_KEY": "sk-sandbox",
    }
    command = [Path(sys.executable).with_name("dashscope"), "image-generation", "create"]
    process = await asyncio.create_subprocess_exec(
        *[*command, "-m", "qwen-image-max", "-t", "a red fox", "--size", "1328*1328"],
        env=environment,
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()

    assert process.returncode == 0, output
    assert b".png" in output
    assert sandbox.ledger.billed_images == 1
    assert sandbox.ledger.sends[0].size == "1328*1328"
    assert sandbox.ledger.sends[0].parameters["n"] is None


def test_importing_the_sandbox_is_light_and_independent():
    """The import loads little more than aiohttp, and nothing else of this project."""
    script = """
import sys, stills
before = set(sys.modules)
import stills.sandbox
print(*sys.modules.keys() - before)
"""
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    loaded = done.stdout.split()
    assert {"pyvips", "dashscope", "fastapi", "pydantic"}.isdisjoint(loaded)
    ours = [name for name in loaded if name.startswith("stills.")]
    assert all(name.startswith("stills.sandbox") for name in ours)


def test_public_names_are_sorted_and_exist():
    """`__all__` is the whole public API."""
    assert stills.sandbox.__all__ == sorted(stills.sandbox.__all__)
    assert all(hasattr(stills.sandbox, name) for name in stills.sandbox.__all__)


async def test_the_service_can_be_under_a_path(call, session):
    """Its links are under it, too; the control plane is not."""
    async with Sandbox(SandboxSettings(base_path="/dashscope")) as mounted:
        assert mounted.base_url.endswith("/dashscope/api/v1")
        answer = await call(target=mounted)
        url = answer.output["choices"][0]["message"]["content"][0]["image"]
        assert "/dashscope/images/" in url
        async with session.get(url) as image:
            assert image.status == 200
        async with session.get(mounted.base_url.replace("/dashscope", "") + "/models") as missing:
            assert missing.status == 404
        async with session.get(f"{mounted.control_url}/health") as healthy:
            assert healthy.status == 200


async def test_an_image_can_be_asked_for_by_its_headers_only(call, session, sandbox, urls_of):
    """HEAD gives the type and the length; faults wait for a GET."""
    (url,) = urls_of(await call())
    sandbox.set_faults(Fault(FaultKind.DEAD_URL))
    async with session.head(url) as head:
        assert (head.status, head.headers["Content-Type"]) == (200, "image/png")
        assert head.headers["Accept-Ranges"] == "bytes"
        assert await head.read() == b""
    async with session.get(url) as dead:
        assert dead.status == 403
    async with session.get(url) as image:
        assert len(await image.read()) == int(head.headers["Content-Length"])


@pytest.mark.parametrize(
    ("wanted", "status", "part"),
    [
        ("bytes=0-7", 206, slice(0, 8)),
        ("bytes=100-", 206, slice(100, None)),
        ("bytes=-20", 206, slice(-20, None)),
        ("bytes=0-99999999", 206, slice(None)),
        ("bytes=0-1,5-6", 200, slice(None)),
        ("pages=1-2", 200, slice(None)),
    ],
)
async def test_a_part_of_an_image_can_be_downloaded(call, session, urls_of, wanted, status, part):
    """One range of bytes; anything else is ignored."""
    (url,) = urls_of(await call())
    async with session.get(url) as image:
        whole = await image.read()
    async with session.get(url, headers={"Range": wanted}) as answer:
        body = await answer.read()
    assert (answer.status, body) == (status, whole[part])
    assert ("Content-Range" in answer.headers) is (status == 206)


async def test_a_range_behind_the_end_of_an_image_is_refused(call, session, urls_of, sandbox):
    """As OSS does, with a document of its own."""
    (url,) = urls_of(await call())
    async with session.get(url, headers={"Range": "bytes=99999999-"}) as answer:
        assert answer.status == 416
        assert "<Code>InvalidRange</Code>" in await answer.text()
    assert sandbox.ledger.sends[-1].status == 416
