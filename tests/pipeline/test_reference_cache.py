"""The cache of references: many requests share a download and the work on an image."""

import asyncio
import hashlib

import pytest
import pyvips

from stills.contract.errors import InvalidReference
from stills.contract.pixel_budget import PixelBudget
from stills.contract.ports.imaging import ReferenceImage
from stills.imaging import VipsImaging
from stills.pipeline import reference_cache
from stills.pipeline.reference_cache import ReferenceCache

URL = "https://example.com/anna.png?Signature=1"


def png(width: int) -> bytes:
    return bytes(pyvips.Image.black(width, 32).pngsave_buffer())


class Shelf:
    """A downloader of one image, which waits until it may answer."""

    def __init__(self, image: bytes | None) -> None:
        self.image = image
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.asked: list[str] = []
        self.cancelled = 0

    async def get(self, url: str, *, max_bytes: int) -> bytes:
        self.asked.append(url)
        try:
            await self.may_answer.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.image is None or len(self.image) > max_bytes:
            raise InvalidReference("reference_image can't be downloaded", field="reference_image")
        return self.image


class CountingImaging(VipsImaging):
    """Counts the images that it prepares."""

    def __init__(self) -> None:
        self.prepared = 0

    async def prepare_reference(self, data: bytes) -> ReferenceImage:
        self.prepared += 1
        return await super().prepare_reference(data)


def make(shelf: Shelf) -> tuple[ReferenceCache, CountingImaging]:
    imaging = CountingImaging()
    return ReferenceCache(imaging, PixelBudget(), shelf), imaging


async def test_a_hundred_requests_at_once_download_a_url_once():
    """The same portrait in all shots of a batch is one download, prepared once."""
    shelf = Shelf(png(64))
    shelf.may_answer.clear()
    cache, imaging = make(shelf)
    waiting = [asyncio.ensure_future(cache.download(URL)) for _ in range(100)]
    await asyncio.sleep(0)
    shelf.may_answer.set()
    got = await asyncio.gather(*waiting)
    assert {one.digest for one in got} == {hashlib.sha256(png(64)).hexdigest()}
    assert (shelf.asked, imaging.prepared) == ([URL], 1)
    await cache.download(URL)
    assert (shelf.asked, imaging.prepared) == ([URL], 1)


async def test_a_url_is_downloaded_again_after_a_while(monkeypatch: pytest.MonkeyPatch):
    """The image behind it may have changed."""
    monkeypatch.setattr(reference_cache, "URL_SECONDS", 0.0)
    shelf = Shelf(png(64))
    cache, _ = make(shelf)
    before = await cache.download(URL)
    shelf.image = png(65)
    after = await cache.download(URL)
    assert before.digest != after.digest
    assert shelf.asked == [URL, URL]


async def test_a_failed_download_is_not_remembered():
    """The next request tries again."""
    shelf = Shelf(None)
    cache, _ = make(shelf)
    for _ in range(2):
        with pytest.raises(InvalidReference):
            await cache.download(URL)
    shelf.image = png(64)
    assert (await cache.download(URL)).digest == hashlib.sha256(png(64)).hexdigest()
    assert len(shelf.asked) == 3


async def test_a_download_that_nobody_waits_for_is_cancelled():
    """It ends with its last request, or when Stills is closed."""
    shelf = Shelf(png(64))
    shelf.may_answer.clear()
    cache, _ = make(shelf)
    for url in ("https://example.com/a.png", "https://example.com/b.png"):
        waiting = asyncio.ensure_future(cache.download(url))
        while url not in shelf.asked:
            await asyncio.sleep(0)
        if url.endswith("a.png"):
            waiting.cancel()
        else:
            await cache.close()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    await cache.close()
    assert shelf.cancelled == 2


async def test_the_same_bytes_are_prepared_once():
    """A batch gives the same file for each of its shots."""
    cache, imaging = make(Shelf(None))
    got = await asyncio.gather(*(cache.prepare(png(64)) for _ in range(20)))
    assert imaging.prepared == 1
    assert len(set(got)) == 1


async def test_the_cache_is_bounded(monkeypatch: pytest.MonkeyPatch):
    """The image that was not used for longest is dropped."""
    cache, imaging = make(Shelf(None))
    one = await cache.prepare(png(64))
    monkeypatch.setattr(reference_cache, "KEPT_BYTES_MAX", len(one.url) * 2 + 40)
    await cache.prepare(png(65))
    await cache.prepare(png(64))
    await cache.prepare(png(66))  # drops 65
    assert imaging.prepared == 3
    await cache.prepare(png(64))
    assert imaging.prepared == 3
    await cache.prepare(png(65))
    assert imaging.prepared == 4


async def test_too_many_bytes_are_refused_before_they_are_decoded():
    """The error has the size and the limit."""
    cache, imaging = make(Shelf(None))
    with pytest.raises(InvalidReference, match=r"41\.0 MB, over the limit of 40 MB"):
        await cache.prepare(bytes(41 * 1024 * 1024))
    assert imaging.prepared == 0
