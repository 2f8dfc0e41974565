"""Links to images in a bucket, opened from a real S3 server without credentials."""

import os
import re
from pathlib import Path

import aiohttp
import pytest
from tests.support.running_service import serving
from tests.support.seaweed import serve_seaweed

from stills import ImageRequest, Stills
from stills.batch.manifest_entry import ManifestEntry
from stills.contract.errors import ConfigError, StoreRefused
from stills.contract.links import ImageLinks
from stills.http.settings import Settings
from stills.shotlist.shots import Outcome, Shot
from stills.store import open_store

KITE = ImageRequest(prompt="a red kite", size="512*512")
CDN = "https://cdn.example/films/one"


@pytest.fixture(scope="module")
def seaweed(tmp_path_factory):
    """The variables of a bucket on a real server."""
    with serve_seaweed(tmp_path_factory.mktemp("seaweed")) as variables:
        yield variables


@pytest.fixture
def bucket(seaweed, monkeypatch, request):
    """The URL of an empty part of the bucket."""
    for name, value in seaweed.items():
        monkeypatch.setenv(name, value)
    return f"s3://bucket/{re.sub(r'[^a-z0-9]+', '-', request.node.name)}"


@pytest.fixture
def open_stills(bucket, tmp_path: Path):
    """Open Stills on the bucket with a value of STILLS_IMAGE_URL."""

    def open_one(links: str) -> Stills:
        local = {"OUTPUT_DIR": str(tmp_path), "HOME": str(tmp_path), "STILLS_STORE": bucket}
        return Stills.from_env(
            sandbox=True, environment={**os.environ, **local, "STILLS_IMAGE_URL": links}
        )

    return open_one


async def fetch(http: aiohttp.ClientSession, url: str) -> tuple[int, bytes, dict[str, str]]:
    async with http.get(url) as answer:
        return answer.status, await answer.read(), dict(answer.headers)


@pytest.fixture
async def http():
    """A client without credentials."""
    async with aiohttp.ClientSession() as session:
        yield session


async def test_a_signed_link_opens_without_credentials(bucket, http):
    """The same URL without its signature is refused, so the link alone grants access."""
    store = open_store(bucket, ImageLinks(signed_seconds=60))
    await store.put("a é.png", b"1")
    (link,) = await store.links(["a é.png"])
    assert (await fetch(http, link))[:2] == (200, b"1")
    assert (await fetch(http, link.partition("?")[0]))[0] == 403
    assert "X-Amz-Expires=60&" in link
    await store.close()


async def test_an_image_is_served_as_one_that_never_changes(bucket, http):
    """Browsers show it and caches keep it; other objects may change."""
    store = open_store(bucket, ImageLinks(signed_seconds=60))
    paths = ["a.png", "generations/a.json", "store/id.txt"]
    for path in paths:
        await store.put(path, b"1")
    found = [(await fetch(http, link))[2] for link in await store.links(paths)]
    assert [one["Content-Type"].partition(";")[0] for one in found] == [
        "image/png",
        "application/json",
        "text/plain",
    ]
    assert found[0]["Cache-Control"] == "public, max-age=31536000, immutable"
    assert "Cache-Control" not in found[1]
    assert "Cache-Control" not in found[2]
    await store.close()


async def test_every_answer_has_a_link_that_opens(open_stills, http):
    """New and stored images, a look at one and a replay: each has its own new signature."""
    async with open_stills("presign:7d") as stills:
        made = await stills.generate(KITE)
        cached = await stills.generate(KITE)
        (looked_up,) = await stills.answer_from_catalog([KITE])
        shown = await stills.images.show(made.id)
        (replayed,) = await stills.images.renew_links([made])
        links = [made.image_url, cached.image_url, looked_up.result.image_url]
        links += [shown.image_url, replayed.image_url]
        for link in links:
            status, data, _ = await fetch(http, link)
            assert (status, data[:4]) == (200, b"\x89PNG")
        assert "X-Amz-Expires=604800&" in made.image_url


async def test_a_manifest_keeps_the_path_beside_the_link(open_stills):
    """The link expires, the path in the store doesn't."""
    async with open_stills("presign:1min") as stills:
        result = await stills.generate(KITE)
    entry = ManifestEntry.of(Outcome(Shot(id="one", request=KITE, source=""), result=result))
    read = ManifestEntry.from_json(entry.to_json())
    assert read.result == result
    assert f"/{read.result.object_path}?" in result.image_url


@pytest.mark.parametrize("links", [CDN, "presign:1h", "store"])
async def test_our_own_links_are_references_to_the_stored_image(open_stills, links, bucket):
    """Each form names the image, so nothing is downloaded, and all get the same image."""
    asked = {"model": "qwen-image-2.0"}
    async with open_stills(links) as stills:
        made = await stills.generate(KITE)
        start = {CDN: f"{CDN}/", "presign:1h": "http://127.0.0.1:", "store": f"{bucket}/"}[links]
        assert made.image_url.startswith(start)
        results = [
            await stills.generate(
                ImageRequest(prompt="at night", size="512*512", reference_image=given), **asked
            )
            for given in (made.image_url, f"stills://images/{made.id}", made.id)
        ]
    assert [one.cached for one in results] == [False, True, True]


async def test_an_expired_link_is_still_a_reference(open_stills):
    """Its path names the image; the signature does not matter, because we read the store."""
    async with open_stills("presign:1h") as stills:
        made = await stills.generate(KITE)
        expired = made.image_url.partition("?")[0] + "?X-Amz-Expires=1&X-Amz-Signature=old"
        request = ImageRequest(prompt="at night", size="512*512", reference_image=expired)
        shown = await stills.generate(request, model="qwen-image-2.0")
        image = await stills.images.find(shown.id)
    assert image.generation.spec.references[0].shown == f"stills://images/{made.id}"


async def test_a_link_that_cannot_be_signed_does_not_lose_the_image(open_stills, monkeypatch):
    """The result has the object's own URL and a note; a list of links is an error."""

    async def refuse(*_arguments):
        raise StoreRefused("could not sign a link to a.png: no credentials")

    async with open_stills("presign:1h") as stills:
        monkeypatch.setattr("stills.store.bucket.BucketStore.sign", refuse)
        made = await stills.generate(KITE)
        assert made.image_url.startswith("s3://bucket/")
        assert made.notes[-1].startswith("No link could be signed: could not sign")
        with pytest.raises(StoreRefused):
            await stills.images.show(made.id)


async def test_the_service_answers_with_links_to_the_bucket(open_stills, http):
    """Also the replay of an earlier answer, and lists: the bucket serves the images, not we."""
    body = {"prompt": "a red kite", "size": "512*512"}
    async with serving(open_stills("presign:1h"), Settings(model="qwen-image-max")) as url:
        found = []
        for _ in range(2):
            async with http.post(
                f"{url}/v1/image.generate", json=body, headers={"Idempotency-Key": "one"}
            ) as answer:
                found.append(await answer.json())
        async with http.get(f"{url}/v1/images") as answer:
            found += (await answer.json())["data"]
        async with http.get(f"{url}/v1/images/{found[0]['id']}") as answer:
            found.append(await answer.json())
    for one in found:
        assert f"/{one['object_path']}?X-Amz-Algorithm=" in one["image_url"]
        assert (await fetch(http, one["image_url"]))[0] == 200


def test_a_folder_has_no_links(tmp_path: Path):
    """STILLS_IMAGE_URL with a folder is an error: it would be ignored."""
    with pytest.raises(ConfigError, match="needs an object store") as caught:
        Stills.from_env(
            sandbox=True,
            environment={
                "HOME": str(tmp_path),
                "STILLS_STORE": str(tmp_path),
                "STILLS_IMAGE_URL": CDN,
            },
        )
    assert caught.value.field == "STILLS_IMAGE_URL"
