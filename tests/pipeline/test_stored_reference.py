"""Stored images as references: every address of one, and what is refused."""

import hashlib
from pathlib import Path
from urllib.parse import quote

import pytest

from stills.contract.errors import ImageMissing, InvalidReference
from stills.contract.request import ImageRequest

MODEL = "qwen-image-2.0"
PUBLIC = "https://stills.example.com"
PORTRAIT = ImageRequest(prompt="portrait of Änna", size="512*512")


def shot(reference: str, **fields) -> ImageRequest:
    return ImageRequest(prompt="a kite", size="1024*1024", reference_image=reference, **fields)


class NoDownloads:
    """A downloader that must not be used."""

    async def get(self, url: str, *, max_bytes: int) -> bytes:
        raise AssertionError((url, max_bytes))


@pytest.fixture(params=[True, False], ids=["trusted", "untrusted"])
async def stills(request, make_stills):
    """One Stills with an address for its clients, for its owner or for strangers."""
    return await make_stills(
        downloader=NoDownloads(), trusts_references=request.param, public_url=PUBLIC
    )


async def test_every_address_of_a_stored_image_is_one_reference(stills, sandbox):
    """It is read from the store: nothing is downloaded, and the image is billed once."""
    portrait = await stills.generate(PORTRAIT, model=MODEL)
    image = await stills.images.find(portrait.id)
    first = await stills.generate(shot(portrait.id), model=MODEL)
    for address in (
        f"stills://images/{portrait.id}",
        portrait.image_url,
        portrait.image_url.replace("file:///", "file://localhost/"),
        f"{PUBLIC}/images/{portrait.id}.png",
        f"http://127.0.0.1:8000/images/{portrait.id}.png",
    ):
        again = await stills.generate(shot(address), model=MODEL)
        assert (again.id, again.cached) == (first.id, True)
    assert sandbox.ledger.billed_images == 2
    sent = sandbox.ledger.generations[-1]
    png = await stills.images.read(image)
    assert sent.references == (hashlib.sha256(png).hexdigest(),)
    (reference,) = (await stills.images.find(first.id)).generation.spec.references
    assert reference.shown == f"stills://images/{portrait.id}"


async def test_a_stored_image_in_another_size_is_a_reference(stills, sandbox):
    """The id names the size too."""
    portrait = await stills.generate(PORTRAIT, model=MODEL)
    small = await stills.generate(
        ImageRequest(prompt=PORTRAIT.prompt, size="256*256", seed=portrait.seed), model=MODEL
    )
    await stills.generate(shot(small.id), model=MODEL)
    png = await stills.images.read(await stills.images.find(small.id))
    assert sandbox.ledger.generations[-1].references == (hashlib.sha256(png).hexdigest(),)


@pytest.mark.parametrize(
    "address",
    [
        "0123456789ab-1024x1024",
        "stills://images/0123456789ab-1024x1024",
        "stills://images/anna",
        f"{PUBLIC}/images/0123456789ab-1024x1024.png",
    ],
)
async def test_an_unknown_id_is_an_error(stills, sandbox, address):
    """It is never taken for a path, and nothing is billed."""
    with pytest.raises(InvalidReference, match="no stored image has the id") as caught:
        await stills.generate(shot(address), model=MODEL)
    assert caught.value.field == "reference_image"
    assert sandbox.ledger.sends == ()


async def test_a_file_url_outside_the_store_is_not_a_stored_image(make_stills, tmp_path):
    """Not even one with its name: the owner's is read like a path, a stranger's never."""
    owner, stranger = [
        await make_stills(downloader=NoDownloads(), trusts_references=trusted)
        for trusted in (True, False)
    ]
    name = (await owner.generate(PORTRAIT, model=MODEL)).image_url.rpartition("/")[2]
    outside = f"{tmp_path.as_uri()}/{name}"
    for url, reason in (
        (outside, "no such file"),
        ("file:///etc/hostname", "is text"),
        (f"file://evil.example/{name}", "only https"),
    ):
        with pytest.raises(InvalidReference, match=reason):
            await owner.generate(shot(url), model=MODEL)
        with pytest.raises(InvalidReference, match="only https"):
            await stranger.generate(shot(url), model=MODEL)


async def test_a_file_url_may_be_escaped_in_another_way(stills):
    """Browsers and other languages escape fewer or more characters."""
    portrait = await stills.generate(PORTRAIT, model=MODEL)
    folder, _, name = portrait.image_url.rpartition("/")
    escaped = f"{folder}/{quote(name.replace('-', '%2D'), safe='%')}"
    first = await stills.generate(shot(portrait.id), model=MODEL)
    assert (await stills.generate(shot(escaped), model=MODEL)).id == first.id


async def test_an_image_that_is_gone_from_the_store_is_named(stills, tmp_path: Path, sandbox):
    """The portrait must be restored or made again; the shot is not sent."""
    portrait = await stills.generate(PORTRAIT, model=MODEL)
    for file in (tmp_path / "images").glob("*.png"):
        file.unlink()
    with pytest.raises(ImageMissing):
        await stills.generate(shot(portrait.id), model=MODEL)
    assert sandbox.ledger.billed_images == 1
