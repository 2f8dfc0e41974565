"""The PNG files over HTTP: complete, in part, or not sent if the client has them."""

import hashlib
from collections.abc import Mapping
from email.utils import formatdate
from pathlib import Path
from urllib.parse import quote, urlsplit
from urllib.request import url2pathname

import aiohttp
import pytest

from stills import ImageRequest, ImageResult
from stills.app import Stills
from stills.contract.errors import ImageMissing

KITE = ImageRequest(prompt="ein roter Drächen 風箏", size="512*384", seed=7)


@pytest.fixture
async def kept(stills: Stills) -> ImageResult:
    """An image in the catalog of the service."""
    return await stills.generate(KITE)


@pytest.fixture
async def png(stills: Stills, kept: ImageResult) -> bytes:
    """The bytes of the image."""
    return await stills.images.read(await stills.images.find(kept.id))


@pytest.fixture
def image_url(url: str, kept: ImageResult) -> str:
    """The URL of the image."""
    return f"{url}/images/{kept.id}.png"


async def ask(
    http: aiohttp.ClientSession, url: str, *, method: str = "GET", **headers: str
) -> tuple[int, Mapping[str, str], bytes]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with http.request(method, url, headers=named) as answer:
        return answer.status, answer.headers, await answer.read()


async def test_an_image_may_be_cached_for_ever(http, image_url, png, stills):
    """Its tag is its hash, it has a readable file name, and a second read returns the same."""
    (image,) = await stills.images.list()
    for _ in range(2):
        status, headers, body = await ask(http, image_url)
        assert (status, body) == (200, png)
        assert headers["Content-Type"] == "image/png"
        assert headers["Content-Length"] == str(len(png))
        assert headers["ETag"] == f'"{hashlib.sha256(png).hexdigest()}"'
        assert headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert headers["Accept-Ranges"] == "bytes"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Last-Modified"] == formatdate(int(image.generation.created_at), usegmt=True)
    name = Path(image.rendition.object_path).name
    assert not name.isascii()
    assert headers["Content-Disposition"] == f"inline; filename*=UTF-8''{quote(name)}"


async def test_head_returns_only_headers(http, image_url, png):
    """They are those of GET."""
    status, headers, body = await ask(http, image_url, method="HEAD")
    assert (status, body) == (200, b"")
    _, whole, _ = await ask(http, image_url)
    assert headers["Content-Length"] == str(len(png))
    assert headers["ETag"] == whole["ETag"]


@pytest.mark.parametrize(
    ("wanted", "first", "end"),
    [("0-99", 0, 100), ("100-", 100, None), ("-50", -50, None), ("5-999999999", 5, None)],
)
async def test_a_range_returns_a_part(http, image_url, png, wanted, first, end):
    """A start, a start and an end, or the last bytes; an end past the image is cut."""
    status, headers, body = await ask(http, image_url, Range=f"bytes={wanted}")
    assert (status, body) == (206, png[first:end])
    begin = first % len(png)
    told = f"bytes {begin}-{begin + len(body) - 1}/{len(png)}"
    assert headers["Content-Range"] == told
    assert headers["Content-Length"] == str(len(body))


@pytest.mark.parametrize("wanted", ["999999999-", "-0"])
async def test_a_range_outside_the_image_is_refused(http, image_url, png, wanted):
    """The response has the size of the image, and may not be cached."""
    status, headers, body = await ask(http, image_url, Range=f"bytes={wanted}")
    assert (status, body) == (416, b"")
    assert headers["Content-Range"] == f"bytes */{len(png)}"
    assert "Cache-Control" not in headers


@pytest.mark.parametrize(
    "wanted", ["bytes=0-1,5-6", "bytes=9-3", "bytes=x-", "bytes=-", "lines=1-2", "bytes=٣-٥"]
)
async def test_anything_but_a_single_range_returns_the_whole_image(http, image_url, png, wanted):
    """Several ranges, an invalid one, or another unit."""
    status, _, body = await ask(http, image_url, Range=wanted)
    assert (status, body) == (200, png)


async def test_a_client_that_has_the_image_gets_no_bytes(http, image_url):
    """By its tag, also in a list or weak, by a star, or by the date; the tag has precedence."""
    _, whole, _ = await ask(http, image_url)
    tag, date = whole["ETag"], whole["Last-Modified"]
    for known in (tag, f'"other", W/{tag}', "*"):
        status, headers, body = await ask(http, image_url, If_None_Match=known)
        assert (status, body, headers["ETag"]) == (304, b"", tag)
    assert (await ask(http, image_url, If_Modified_Since=date))[0] == 304
    earlier, unread = "Sat, 01 Jan 2000 00:00:00 GMT", "yesterday"
    for since in (earlier, unread):
        assert (await ask(http, image_url, If_Modified_Since=since))[0] == 200
    both = {"If_None_Match": '"other"', "If_Modified_Since": date}
    assert (await ask(http, image_url, **both))[0] == 200


async def test_a_range_of_another_image_returns_the_whole_image(http, image_url, png):
    """If-Range with the same tag or date returns the part."""
    _, whole, _ = await ask(http, image_url)
    for same in (whole["ETag"], whole["Last-Modified"]):
        assert (await ask(http, image_url, Range="bytes=0-9", If_Range=same))[0] == 206
    for other in ('"other"', f"W/{whole['ETag']}", "Sat, 01 Jan 2000 00:00:00 GMT"):
        status, _, body = await ask(http, image_url, Range="bytes=0-9", If_Range=other)
        assert (status, body) == (200, png)


async def test_an_id_must_be_complete(http, url, kept):
    """A prefix of an id, another size, or anything else is not found, in OpenAI's shape."""
    for unknown in (kept.id[:-1], kept.id.split("-")[0], "000000000000-0x0", "a%2Fb", "..", "%00"):
        status, _, body = await ask(http, f"{url}/images/{unknown}.png")
        assert status == 404, unknown
        assert b'"error"' in body, unknown
        assert b'"type"' in body, unknown


async def test_an_image_missing_from_the_store_is_gone_until_it_is_restored(
    http, image_url, stills, png
):
    """Its generation is missing too, so it can't be rendered again. The answer names no path."""
    (image,) = await stills.images.list()
    path = Path(url2pathname(urlsplit(stills.images.url(image)).path))
    for lost in list(path.parent.glob("*.png")):
        lost.unlink()
    with pytest.raises(ImageMissing):
        await stills.images.read(image)
    async with http.head(image_url) as head:
        assert head.status == 410
    status, headers, body = await ask(http, image_url)
    assert status == 410
    assert b"not lost" not in body
    assert b'"error"' in body
    assert str(path.parent).encode() not in body
    assert "immutable" not in headers.get("Cache-Control", "")
    path.write_bytes(png)
    assert (await ask(http, image_url))[0] == 200


async def test_only_get_and_head_are_supported(http, image_url):
    """Other methods are refused with 405."""
    async with http.post(image_url) as posted, http.delete(image_url) as deleted:
        assert posted.status == deleted.status == 405
        assert posted.headers["Allow"] == "GET, HEAD, OPTIONS"
