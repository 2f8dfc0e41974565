"""What every Store does. To test another, subclass StoreConformance."""

import asyncio
import contextlib
from urllib.parse import urlsplit

import pytest
from tests.support.s3 import serve_s3
from tests.support.seaweed import serve_seaweed

from stills.contract.errors import ImageMissing, StoreRefused
from stills.contract.ports.store import Store
from stills.store import open_store

NAME = "a-red-kite-1024x1024-seed1-3f9a1c2b7d4e.png"
HOSTILE_PATHS = [
    "",
    ".",
    "..",
    "../secret.png",
    "a/../../secret.png",
    "/etc/passwd",
    "a//b.png",
    "a/",
    "./a.png",
    "a\\b.png",
    "..\\secret.png",
    "C:secret.png",
    "a\0.png",
    "a\n.png",
    "a\ud800.png",
    "a.png#1",
    "%2e%2e/secret.png",
    "a.png?x=1",
]


class StoreConformance:
    """The suite; a subclass gives the fixture `store`, empty."""

    lists_objects = True

    async def test_get_returns_what_was_put(self, store: Store):
        """It returns the same bytes."""
        data = bytes(range(256)) * 100
        await store.put(NAME, data)
        assert await store.get(NAME) == data

    async def test_get_returns_an_object_over_the_multipart_limit(self, store: Store):
        """It returns the same bytes."""
        data = b"0123456789abcdef" * 600_000
        await store.put(NAME, data)
        assert await store.get(NAME) == data

    async def test_get_returns_an_empty_object(self, store: Store):
        """An object may have no bytes."""
        await store.put(NAME, b"")
        assert await store.get(NAME) == b""
        assert await store.exists(NAME)

    async def test_a_second_put_replaces_the_first(self, store: Store):
        """Get returns the last bytes put under a path."""
        await store.put(NAME, b"the first, which is longer")
        await store.put(NAME, b"the second")
        assert await store.get(NAME) == b"the second"

    async def test_put_writes_another_object_before_if_told_to(self, store: Store):
        """As an image's sidecar; the image itself may come in pieces."""
        await store.put(NAME, [b"1", b"", b"2"], preceded_by=("facts/a.json", b"{}"))
        assert (await store.get(NAME), await store.get("facts/a.json")) == (b"12", b"{}")

    async def test_missing_returns_the_paths_without_an_object(self, store: Store):
        """For any number of paths, including zero."""
        await store.put(NAME, b"x")
        assert await store.missing({NAME: 1, "another.png": 1, f"{NAME}/below.png": 1}) == {
            "another.png",
            f"{NAME}/below.png",
        }
        assert await store.missing({}) == set()

    async def test_exists_returns_whether_an_object_exists(self, store: Store):
        """Only a path that was put exists."""
        await store.put(NAME, b"1")
        assert await store.exists(NAME) is True
        assert await store.exists("another.png") is False
        assert await store.exists(f"{NAME}/below.png") is False

    async def test_an_object_of_another_size_does_not_count(self, store):
        """Exists and missing compare sizes without reading; no size means any."""
        await store.put(NAME, b"123")
        await store.put("empty.png", b"")
        assert await store.exists(NAME, byte_count=3) is True
        assert await store.exists(NAME, byte_count=2) is False
        assert await store.exists("empty.png", byte_count=0) is True
        assert await store.exists("empty.png", byte_count=1) is False
        assert await store.exists("another.png", byte_count=0) is False
        assert await store.missing({NAME: 3, "empty.png": 9}) == {"empty.png"}
        assert await store.missing({NAME: 4}) == {NAME}

    async def test_a_missing_object_is_image_missing(self, store: Store):
        """The error names the path."""
        await store.put(NAME, b"1")
        with pytest.raises(ImageMissing, match=r"another\.png"):
            await store.get("another.png")

    async def test_a_deleted_object_is_gone_and_no_other(self, store: Store):
        """Delete removes one object, and accepts a missing one."""
        await store.put(NAME, b"1")
        await store.put("another.png", b"2")
        await store.delete(NAME)
        await store.delete(NAME)
        assert await store.exists(NAME) is False
        assert await store.get("another.png") == b"2"

    async def test_names_may_use_every_script(self, store: Store):
        """Non-ASCII letters and folders work in every method."""
        for path in ("红风筝-1024x1024.png", "हिन्दी.png", "été/à la mer.png"):
            await store.put(path, path.encode())
            assert await store.get(path) == path.encode()
            assert await store.exists(path)
            assert store.url(path).isascii()

    async def test_pages_list_the_objects_directly_in_a_folder(self, store: Store):
        """Objects in deeper folders are left out, as in `paths`."""
        for path in ("a.png", "b.png", "facts/a.json", "facts/deeper/b.json"):
            await store.put(path, b"1")
        direct = {
            "": ["a.png", "b.png"],
            "facts": ["facts/a.json"],
            "facts/deeper": ["facts/deeper/b.json"],
            "elsewhere": [],
        }
        for folder, listed in direct.items():
            found = [path async for page in store.pages(folder) for path in page]
            assert sorted(found) == await store.paths(folder)
            assert set(listed if self.lists_objects else []) <= set(found)
            assert all(path.rpartition("/")[0] == folder for path in found)
            assert all([await store.exists(path) for path in found])  # no folder

    async def test_urls_are_absolute_and_differ(self, store: Store):
        """Each object has its own URL, with a scheme."""
        urls = {store.url(path) for path in ("a.png", "b.png", "c/a.png")}
        assert len(urls) == 3
        assert all(urlsplit(url).scheme for url in urls)

    async def test_concurrent_puts_are_all_stored(self, store: Store):
        """Concurrent first uses lose no object."""
        paths = [f"{number}.png" for number in range(20)]
        await asyncio.gather(*(store.put(path, path.encode()) for path in paths))
        assert [await store.get(path) for path in paths] == [path.encode() for path in paths]

    async def test_concurrent_puts_of_one_path_leave_one_complete_object(self, store: Store):
        """Concurrent writers of one path never mix their bytes."""
        versions = [bytes([number]) * 200_000 for number in range(10)]
        await asyncio.gather(*(store.put(NAME, version) for version in versions))
        assert await store.get(NAME) in versions

    async def test_a_cancelled_put_leaves_all_or_nothing(self, store: Store):
        """Cancelling never leaves half an object."""
        data = b"x" * 2_000_000
        for number in range(20):
            task = asyncio.create_task(store.put(f"{number}.png", data))
            await asyncio.sleep(number * 0.0002)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        for number in range(20):
            if await store.exists(f"{number}.png"):
                assert await store.get(f"{number}.png") == data

    @pytest.mark.parametrize("path", HOSTILE_PATHS, ids=ascii)
    async def test_a_hostile_path_is_refused(self, store: Store, path: str):
        """A path that could leave the store is a programming error in every method."""
        with pytest.raises(ValueError, match="path"):
            await store.put(path, b"1")
        with pytest.raises(ValueError, match="path"):
            await store.get(path)
        with pytest.raises(ValueError, match="path"):
            await store.exists(path)
        with pytest.raises(ValueError, match="path"):
            await store.missing({path: 1})
        with pytest.raises(ValueError, match="path"):
            await store.delete(path)
        with pytest.raises(ValueError, match="path"):
            store.url(path)
        with pytest.raises(ValueError, match="path"):
            await store.put("a.png", b"1", preceded_by=(path, b"2"))
        assert await store.paths("") == []

    @pytest.mark.parametrize("folder", HOSTILE_PATHS[1:], ids=ascii)
    async def test_a_hostile_folder_is_not_listed(self, store: Store, folder: str):
        """An invalid folder is an error too; the empty path means the top."""
        with pytest.raises(ValueError, match="path"):
            await store.paths(folder)


class TestLocalFolder(StoreConformance):
    @pytest.fixture
    def store(self, tmp_path):
        return open_store(str(tmp_path / "not yet" / "made"))


class TestFileUrl(StoreConformance):
    @pytest.fixture
    def store(self, tmp_path):
        return open_store((tmp_path / "with space").as_uri())


@pytest.mark.usefixtures("s3_server")
class TestS3(StoreConformance):
    """obstore's real S3 client on a simulated S3, which lists nothing."""

    lists_objects = False

    @pytest.fixture
    async def store(self):
        bucket = open_store("s3://bucket/some/prefix")
        yield bucket
        await bucket.close()

    async def test_the_url_names_the_bucket_and_no_secret(self, store):
        """The URL is the location with the path added."""
        assert store.url("a é.png") == "s3://bucket/some/prefix/a%20%C3%A9.png"

    @pytest.mark.parametrize("bucket", ["gone", "forbidden"])
    async def test_a_bucket_that_is_gone_does_not_look_like_lost_images(self, bucket):
        """A missing or forbidden bucket is StoreRefused, in one line, for every method."""
        store = open_store(f"s3://{bucket}")
        for method in (store.get, store.exists, store.delete):
            with pytest.raises(StoreRefused, match=rf"a\.png in s3://{bucket}: .+") as caught:
                await method("a.png")
            assert "\n" not in caught.value.message
            assert "credentials" in caught.value.action
        with pytest.raises(StoreRefused, match="could not write"):
            await store.put("a.png", b"1")


class TestSeaweed(StoreConformance):
    """A real S3 server, which checks signatures."""

    @pytest.fixture
    async def store(self, seaweed, request, monkeypatch):
        for name, value in seaweed.items():
            monkeypatch.setenv(name, value)
        bucket = open_store(f"s3://bucket/{hash(request.node.name):x}")
        yield bucket
        await bucket.close()


@pytest.fixture(scope="module")
def seaweed(tmp_path_factory):
    with serve_seaweed(tmp_path_factory.mktemp("seaweed")) as variables:
        yield variables


@pytest.fixture
def s3_server(monkeypatch):
    with serve_s3() as variables:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        yield
