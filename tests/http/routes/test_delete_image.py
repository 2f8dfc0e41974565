"""Deleting images over HTTP: what goes, what stays, and who may."""

from pathlib import Path

import aiohttp
from tests.http.conftest import Serve

from stills.app import Stills
from stills.sandbox import Sandbox

KITE = {"prompt": "a red kite", "size": "512*512", "seed": 7}


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


async def make(http: aiohttp.ClientSession, url: str, **more: object) -> dict[str, object]:
    headers = more.pop("headers", {})
    body = KITE | more
    async with http.post(f"{url}/v1/image.generate", json=body, headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        return dict(await answer.json())


async def test_a_deleted_image_is_gone_in_all_sizes(
    url: str, http: aiohttp.ClientSession, tmp_path: Path, sandbox: Sandbox
):
    """Its record, files and sidecar; another image stays."""
    other = await make(http, url, prompt="a blue kite")
    images = [await make(http, url), await make(http, url, size="256*256")]
    for image in images:
        async with http.get(image["image_url"]) as got:  # which caches it
            assert got.status == 200
    async with http.delete(f"{url}/v1/images/{images[1]['id']}") as answer:
        assert answer.status == 200
        assert await answer.json() == {"id": images[1]["id"], "object": "image", "deleted": True}
    for image in images:
        for address in (image["image_url"], f"{url}/v1/images/{image['id']}"):
            async with http.get(address) as got:
                assert got.status == 404
    async with http.get(f"{url}/v1/images") as listed:
        assert [one["id"] for one in (await listed.json())["data"]] == [other["id"]]
    names = {path.name for path in (tmp_path / "images").rglob("*") if path.is_file()}
    generation = str(images[0]["id"]).partition("-")[0]
    assert not [name for name in names if generation in name]
    async with http.delete(f"{url}/v1/images/{images[1]['id']}") as again:
        assert again.status == 404
    assert len(sandbox.ledger.generations) == 2


async def test_an_equal_request_is_billed_again(
    url: str, http: aiohttp.ClientSession, sandbox: Sandbox
):
    """Nothing remembers the deleted image."""
    first = await make(http, url)
    async with http.delete(f"{url}/v1/images/{first['id']}") as answer:
        assert answer.status == 200
    second = await make(http, url)
    assert not second["cached"]
    assert second["id"] != first["id"]
    assert sandbox.ledger.billed_images == 2


async def test_only_the_key_that_paid_may_delete(
    url: str, http: aiohttp.ClientSession, stills: Stills
):
    """Not one that got the image free of charge, nor one for an image that no key paid for."""
    early = await make(http, url)
    payer, other = await stills.keys.add("payer"), await stills.keys.add("other")
    paid = await make(http, url, prompt="a blue kite", headers=bearer(payer))
    shared = await make(http, url, prompt="a blue kite", headers=bearer(other))
    assert shared["id"] == paid["id"]
    for image, key, status in (
        (paid, None, 401), (paid, other, 403), (early, payer, 403), (paid, payer, 200),
    ):  # fmt: skip
        headers = bearer(key) if key else {}
        async with http.delete(f"{url}/v1/images/{image['id']}", headers=headers) as answer:
            assert answer.status == status
    assert [image.rendition.id for image in await stills.images.list()] == [early["id"]]


async def test_a_service_for_anyone_deletes_nothing(serve: Serve, http: aiohttp.ClientSession):
    """With --insecure, strangers would delete what others paid for."""
    url = await serve(anyone=True)
    image = await make(http, url)
    async with http.delete(f"{url}/v1/images/{image['id']}") as answer:
        assert answer.status == 403
        assert (await answer.json())["error"]["type"] == "permission_error"
    async with http.get(image["image_url"]) as got:
        assert got.status == 200
