"""The bucket store: services that are down, and how obstore is called."""

import asyncio
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import obstore.exceptions
import obstore.store
import pytest
from tests.support.s3 import s3_variables, serve_s3

import stills.store.bucket
from stills.contract.errors import StoreRefused
from stills.contract.links import ImageLinks
from stills.store import open_store


def test_every_obstore_error_has_the_base_that_is_translated():
    """Every exception of obstore has the base class that is translated."""
    classes = [
        one
        for name in dir(obstore.exceptions)
        if isinstance(one := getattr(obstore.exceptions, name), type)
    ]
    assert len(classes) >= 10
    assert all(issubclass(one, obstore.exceptions.BaseError) for one in classes)


def test_no_asynchronous_call_of_obstore_is_made():
    """They can abort a process that ends soon after, so the source has none."""
    files = Path(stills.store.bucket.__file__).parent.glob("*.py")
    texts = (file.read_text(encoding="utf-8") for file in files)
    source = "".join(text for text in texts if "import obstore" in text or "from obstore" in text)
    assert "from obstore" in source
    assert not re.findall(r"\w+_async\b|\baiter\b|\banext\b|async for", source)


PUT_GET_AND_END = """
import asyncio
from stills.store import open_store

async def main():
    store = open_store("s3://bucket")
    await store.put("a.png", b"1")
    print(await store.get("a.png"))

asyncio.run(main())
"""


def test_a_process_that_ends_right_after_a_read_exits_normally():
    """With obstore's asynchronous get, two of five such processes abort."""
    with serve_s3() as variables:
        for _ in range(12):
            done = subprocess.run(
                [sys.executable, "-c", PUT_GET_AND_END],
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
                env={**os.environ, **variables},
            )
            assert (done.returncode, done.stdout) == (0, "b'1'\n"), done.stderr


@pytest.fixture
def silent_service(monkeypatch):
    """A service that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as server:
        variables = s3_variables(server.getsockname()[1])
        # One request's limit, so that no thread outlives the test for long.
        for name, value in {**variables, "AWS_TIMEOUT": "1s"}.items():
            monkeypatch.setenv(name, value)
        yield


@pytest.mark.usefixtures("silent_service")
async def test_a_service_that_never_answers_times_out(monkeypatch):
    """Every method has its own deadline, and closing does not wait."""
    monkeypatch.setattr(stills.store.bucket, "CALL_SECONDS", 0.1)
    store = open_store("s3://bucket")
    calls = [store.get, store.exists, store.delete, store.paths, lambda path: store.put(path, b"1")]
    for call in calls:
        with pytest.raises(StoreRefused, match=r"no answer within 0\.1 s"):
            await call("a.png")
    await store.close()


@pytest.mark.usefixtures("silent_service")
async def test_requests_to_a_silent_service_are_bounded():
    """Even without our deadline, obstore's own timeouts end a call."""
    store = open_store("s3://bucket")
    with pytest.raises(StoreRefused, match=r"could not read a\.png in s3://bucket: .*S3"):
        await store.get("a.png")
    await store.close()


async def test_a_crash_of_native_code_is_a_refusal(monkeypatch):
    """obstore's panics are not Exceptions, so they are translated explicitly."""
    crash = type("PanicException", (BaseException,), {})

    def panic(*_args, **_facts):
        raise crash("called `Result::unwrap()` on an `Err` value\nmore")

    monkeypatch.setattr(obstore.store, "from_url", panic)
    with pytest.raises(StoreRefused, match="obstore crashed: called `Result") as caught:
        await open_store("s3://bucket").get("a.png")
    assert "\n" not in caught.value.message


async def test_a_bucket_that_cannot_be_opened_is_refused_before_the_first_image(monkeypatch):
    """`ready` is called before anything is paid for."""

    def fail(*_args, **_facts):
        raise ValueError("no such region")

    monkeypatch.setattr(obstore.store, "from_url", fail)
    with pytest.raises(StoreRefused, match="no such region"):
        await open_store("s3://bucket").ready()


READY_WITHOUT_FILES = """
import asyncio, resource
import obstore.exceptions, obstore.store
from stills.contract.errors import StoreRefused
from stills.store import open_store

async def main():
    store = open_store("s3://bucket")
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
    try:
        await store.ready()
    except StoreRefused as error:
        print(error.message)

asyncio.run(main())
"""


def test_a_runtime_that_cannot_start_is_found_before_the_first_image():
    """It opens files, and a process may have no more."""
    done = subprocess.run(
        [sys.executable, "-c", READY_WITHOUT_FILES],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "obstore crashed: Unable to build Tokio runtime" in done.stdout, done.stderr


async def test_a_bucket_is_opened_once(monkeypatch):
    """Its connections are used for all images, instead of a TLS handshake for each."""
    opened = []

    def open_memory(*_args, **_facts):
        opened.append(obstore.store.MemoryStore())
        return opened[-1]

    monkeypatch.setattr(obstore.store, "from_url", open_memory)
    store = open_store("s3://bucket")
    await store.ready()
    await store.put("a.png", b"1")
    assert await store.get("a.png") == b"1"
    assert len(opened) == 1
    await store.close()


async def test_an_error_of_our_own_is_not_a_refusal(monkeypatch):
    """It is a bug, which "the store refused" would hide."""

    def fail(*_args, **_facts):
        raise TypeError("unexpected argument")

    monkeypatch.setattr(obstore.store, "from_url", fail)
    with pytest.raises(TypeError, match="unexpected argument"):
        await open_store("s3://bucket").get("a.png")


@pytest.mark.parametrize(
    ("links", "opened"),
    [
        (None, "s3://bucket/images/a%20b.png"),
        (ImageLinks(), "s3://bucket/images/a%20b.png"),
        (ImageLinks(prefix="https://cdn.example/films"), "https://cdn.example/films/a%20b.png"),
    ],
)
async def test_a_link_is_the_object_s_url_or_starts_with_the_given_address(links, opened):
    """Neither needs the service."""
    store = open_store("s3://bucket/images", links)
    assert await store.links(["a b.png"]) == [opened]
    await store.close()


async def test_no_paths_have_no_links():
    """Nothing is signed."""
    store = open_store("s3://bucket", ImageLinks(signed_seconds=60))
    assert await store.links([]) == []
    await store.close()


class SlowBackend:
    """An obstore in which reads wait for `go_on`."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.reading = threading.Semaphore(0)
        self.written: list[str] = []
        self.ended = 0

    def get(self, path: str) -> None:
        self.reading.release()
        self.go_on.wait(5.0)
        self.ended += 1
        raise FileNotFoundError(path)

    def put(self, path: str, *_content: object, **_options: object) -> None:
        self.written.append(path)

    def list(self, **_options: object) -> Iterator[object]:
        return iter(())


@pytest.fixture
def slow(monkeypatch) -> Iterator[SlowBackend]:
    """The obstore of every store."""
    backend = SlowBackend()
    monkeypatch.setattr(obstore.store, "from_url", lambda *_, **__: backend)
    yield backend
    backend.go_on.set()


async def test_closing_does_not_wait_for_calls_and_starts_no_more(slow: SlowBackend):
    """A service that hangs must not keep a process from ending."""
    store = open_store("s3://bucket")
    reads = [asyncio.create_task(store.get(f"{number}.png")) for number in range(64)]
    write = asyncio.create_task(store.put("a.png", b"1"))
    await asyncio.to_thread(slow.reading.acquire)
    await store.close()
    assert slow.ended == 0
    slow.go_on.set()
    await asyncio.wait([*reads, write])
    assert write.cancelled()
    assert slow.written == []
    with pytest.raises(RuntimeError, match="shutdown"):
        await store.put("b.png", b"1")
