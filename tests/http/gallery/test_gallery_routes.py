"""The pages of stored images, over HTTP."""

import html
import json
import re
import shlex

import aiohttp
import pytest

from stills import ImageRequest
from stills.contract.image_kinds import find_kind

KITE = ImageRequest(prompt="a red kite", size="512*512", seed=7, negative_prompt="fog")


async def load(http: aiohttp.ClientSession, url: str, **query: str) -> tuple[int, str]:
    async with http.get(url, params=query) as answer:
        assert answer.content_type == "text/html"
        assert "script-src 'sha256-" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store"
        return answer.status, await answer.text()


def listed(page: str) -> list[str]:
    """Return the ids of the images on a page, in order."""
    found = re.findall(r'<a class="frame" href="[^"]*gallery/([0-9a-f]{12}-[0-9x]+)', page)
    return [str(one) for one in found]


async def test_an_empty_gallery_says_how_to_make_the_first_image(http, url):
    """The command is complete, and works."""
    status, page = await load(http, f"{url}/")
    assert status == 200
    command = html.unescape(re.search('<pre id="first"><code>(.*?)</code>', page, re.DOTALL)[1])
    arguments = shlex.split(command)
    async with http.post(arguments[1], json=json.loads(arguments[-1])) as made:
        assert made.status == 200
        record = await made.json()
    assert listed((await load(http, f"{url}/"))[1]) == [record["id"]]


async def test_images_are_searched(http, url, stills):
    """By all words in any order, model, style and days; the newest is first."""
    ids = {}
    for seed, (prompt, style) in enumerate((("a red kite", None), ("a kite, up", "oil"))):
        made = await stills.generate(
            ImageRequest(prompt=prompt, style=style, size="512*512", seed=seed)
        )
        ids[prompt] = made.id
    red, up = ids.values()

    async def found(**query: str) -> list[str]:
        return listed((await load(http, f"{url}/", **query))[1])

    assert await found() == [up, red]
    assert await found(q="kite RED") == [red]
    assert await found(q="kite", style="oil") == [up]
    assert await found(model="qwen-image-max") == [up, red]
    assert await found(model="another") == []
    assert await found(after="2020-01-01", until="2100-01-01") == [up, red]
    assert await found(until="2020-01-01") == []
    status, page = await load(http, f"{url}/", after="2020-13-01")
    assert (status, listed(page)) == (400, [])
    assert "is not a date" in page


async def test_pages_follow_each_other_in_both_directions(http, url, stills, monkeypatch):
    """Each image is on one page, and the first page has no newer one."""
    monkeypatch.setattr("stills.http.gallery.routes.PAGE_IMAGES", 2)
    ids = [
        (await stills.generate(ImageRequest(prompt=f"kite {seed}", size="512*512", seed=seed))).id
        for seed in range(5)
    ][::-1]

    def link(page: str, rel: str) -> str | None:
        named = re.search(f'rel="{rel}" href="([^"]*)"', page)
        return None if named is None else f"{url}/{html.unescape(named[1]).removeprefix('./')}"

    _, first = await load(http, f"{url}/", q="kite")
    _, second = await load(http, link(first, "next"))
    _, third = await load(http, link(second, "next"))
    assert [listed(page) for page in (first, second, third)] == [ids[:2], ids[2:4], ids[4:]]
    assert "q=kite" in link(first, "next")
    assert link(first, "prev") is None
    assert link(third, "next") is None
    assert listed((await load(http, link(third, "prev")))[1]) == ids[2:4]
    _, again = await load(http, link(second, "prev"))
    assert listed(again) == ids[:2]
    assert link(again, "prev") is None


async def test_an_image_is_listed_once_and_shown_in_all_sizes(http, url, stills):
    """Its page links to its other sizes and takes, which are told apart by their seeds."""
    first = await stills.generate(KITE)
    large = await stills.generate(
        ImageRequest(prompt="a red kite", size="1024*1024", seed=7, negative_prompt="fog")
    )
    take = await stills.generate(
        ImageRequest(prompt="a red kite", size="512*512", seed=8, negative_prompt="fog")
    )
    other = await stills.generate(ImageRequest(prompt="a red kite", size="512*512", seed=9))
    assert first.id.partition("-")[0] == large.id.partition("-")[0]
    assert listed((await load(http, f"{url}/"))[1]) == [other.id, take.id, large.id]
    status, page = await load(http, f"{url}/gallery/{first.id}")
    assert status == 200
    assert f'href="../gallery/{large.id}"' in page
    assert listed(page) == [first.id, take.id]
    assert 'alt="Seed 7: a red kite"' in page
    assert 'alt="Seed 8: a red kite"' in page
    for shown in ("fog", "qwen-image-max", first.id, "0.075 USD (simulated)", "1 billed"):
        assert shown in page, shown
    assert "Paid by" not in page


async def test_a_prompt_stays_text(http, url, stills):
    """Whatever it contains, and wherever the page shows it."""
    prompt = "</title><script>alert(1)</script><img src=x onerror=alert(1)>\"'& $title ${x}"
    made = await stills.generate(
        ImageRequest(prompt=prompt, style=prompt, negative_prompt=prompt, size="512*512")
    )
    for address in ("", f"gallery/{made.id}", "?q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E"):
        _, page = await load(http, f"{url}/{address}")
        assert page.count("<script>") == 1
        assert "<img src=x" not in page


async def test_the_copied_request_returns_the_image(http, url, stills, sandbox):
    """From the catalog: nothing is billed."""
    made = await stills.generate(KITE)
    _, page = await load(http, f"{url}/gallery/{made.id}")
    command = html.unescape(
        re.search(r'<pre id="copy-curl"[^>]*><code>(.*?)</code>', page, re.DOTALL)[1]
    )
    arguments = shlex.split(command)
    async with http.post(arguments[1], json=json.loads(arguments[-1])) as answer:
        record = await answer.json()
    assert (record["id"], record["cached"]) == (made.id, True)
    assert len(sandbox.ledger.generations) == 1


@pytest.mark.parametrize(
    ("query", "kind", "name"),
    [
        ({}, "image/png", "512x512"),
        ({"size": "320x180", "format": "jpeg"}, "image/jpeg", "320x180"),
        ({"size": "16:9", "format": "webp"}, "image/webp", "1360x768"),
    ],
)
async def test_an_image_is_downloaded_in_any_size_and_format(
    http, url, stills, sandbox, query, kind, name
):
    """It is free, and not stored."""
    made = await stills.generate(KITE)
    before = len(await stills.images.list())
    async with http.get(f"{url}/gallery/{made.id}/download", params=query) as answer:
        data = await answer.read()
        assert (answer.status, answer.content_type, find_kind(data[:32])) == (200, kind, kind)
        disposition = answer.headers["content-disposition"]
    assert disposition.startswith("attachment;")
    assert f"-{name}-seed7-" in disposition
    assert len(await stills.images.list()) == before
    assert len(sandbox.ledger.generations) == 1


async def test_what_can_not_be_downloaded_is_explained(http, url, stills):
    """As a page, with the status that programs know."""
    made = await stills.generate(KITE)
    for query in ({"size": "huge"}, {"size": "9000x9000"}, {"format": "gif"}):
        status, page = await load(http, f"{url}/gallery/{made.id}/download", **query)
        assert status == 400
        assert 'role="alert"' in page
    for path in ("gallery/0123456789ab-64x64", "gallery/x", "gallery/x/thumbnail.jpg"):
        status, page = await load(http, f"{url}/{path}")
        assert status == 404
        assert "No image has this id" in page


async def test_a_browser_keeps_a_thumbnail(http, url, stills):
    """A small JPEG, which is not sent again."""
    made = await stills.generate(KITE)
    address = f"{url}/gallery/{made.id}/thumbnail.jpg"
    async with http.get(address) as answer:
        assert find_kind((await answer.read())[:32]) == "image/jpeg"
        assert answer.headers["cache-control"].startswith("private, max-age=")
        etag = answer.headers["etag"]
    async with http.get(address, headers={"If-None-Match": etag}) as again:
        assert (again.status, await again.read()) == (304, b"")


async def test_a_gallery_can_be_off(http, serve):
    """Its addresses are unknown then."""
    url = await serve(gallery=False)
    for path in ("", "gallery", "gallery/0123456789ab-64x64"):
        async with http.get(f"{url}/{path}") as answer:
            assert (answer.status, answer.content_type) == (404, "application/json")


async def test_pages_work_below_a_path_of_a_proxy(http, url, stills):
    """All their addresses are relative."""
    made = await stills.generate(KITE)
    for path in ("", f"gallery/{made.id}"):
        _, page = await load(http, f"{url}/{path}")
        addresses = re.findall(r'(?:href|src|action)="([^"]*)"', page)
        others = [one for one in addresses if not one.startswith(("./", "../", "data:"))]
        assert others == []
    for path, address in (("gallery/", "../gallery"), ("gallery", "./")):
        async with http.get(f"{url}/{path}", allow_redirects=False) as answer:
            assert (answer.status, answer.headers["location"]) == (307, address)
