"""Records in every Catalog. To test another, add it to `CATALOGS` in conftest.py."""

import time
from dataclasses import replace

import pytest

from stills.contract.errors import Billing
from stills.contract.generation import (
    CatalogHit,
    CatalogMiss,
    ProviderAnswer,
    ReferenceRecord,
    RequestRecord,
    Settlement,
    Stage,
)
from stills.contract.size import Size

NATIVE, SMALL = Size(1328, 1328), Size(512, 512)
BILLED = Settlement(Billing.BILLED, "answered", "r-1")
LINK = "https://oss.example/a.png"
PORTRAITS = (ReferenceRecord("cd" * 32, "anna.png"), ReferenceRecord("ef" * 32, None))


async def test_an_empty_catalog_finds_nothing(catalog):
    """It has no generation, no image and no send."""
    assert await catalog.find("k", NATIVE) == CatalogMiss()
    assert list(await catalog.list_images(limit=10)) == []
    assert list(await catalog.find_images("")) == []
    assert list(await catalog.list_sends("none")) == []


async def test_a_stored_image_is_found_with_every_detail(open_worker, spec):
    """By processes that waited for the claim, and by those that only look it up."""
    one, other = open_worker(), open_worker()
    wanted = spec(
        negative_prompt="fog",
        style="ink",
        references=PORTRAITS,
        price_usd=None,
        prompt_extend=False,
        prompt_extend_mode="agent",
        enable_thinking=False,
    )
    claim = await one.take(wanted)
    rendition = await one.keep(claim)
    found = await other.take(wanted)
    assert isinstance(found, CatalogHit)
    assert found == await other.catalog.find("k", NATIVE)
    assert (found.generation.spec, found.generation.stage) == (wanted, Stage.KEPT)
    assert found.rendition == rendition
    assert (found.generation.sha256, found.generation.byte_count) == ("ab" * 32, 9)


async def test_a_rendition_is_found_at_its_own_size_only(catalog, worker):
    """The generation is found at any size; a second record of a rendition replaces the first."""
    rendition = await worker.keep(await worker.take())
    found = await catalog.find("k", SMALL)
    assert (found.generation.id, found.rendition) == (rendition.generation_id, None)
    small = replace(rendition, size=SMALL, object_path="small.png")
    for path in ("small.png", "moved.png"):
        await worker.answer_with(replace(small, object_path=path))
    assert (await catalog.find("k", SMALL)).rendition == replace(small, object_path="moved.png")
    assert (await catalog.find("k", NATIVE)).rendition == rendition


async def test_an_image_requested_without_a_seed_is_found_by_its_seed(catalog, worker, spec):
    """A request with the seed of the result returns the same image, free of charge."""
    claim = await worker.take(spec("seedless", seeded_key="seed-7"))
    await worker.keep(claim)
    for key in ("seedless", "seed-7"):
        assert (await catalog.find(key, NATIVE)).generation.id == claim.generation.id
    again = await worker.take(spec("seed-7", seeded_key="seed-7"))
    assert isinstance(again, CatalogHit)


async def test_the_seed_of_a_key_is_that_of_its_newest_stored_generation(catalog, worker, spec):
    """If none is stored, it is that of the newest that began."""
    assert await catalog.find_seed("k") is None
    for seed in (1, 2):
        await worker.catalog.release(await worker.take(spec(seed=seed)))
        assert await catalog.find_seed("k") == seed
    await worker.keep(await worker.take(spec(seed=3)))
    await worker.catalog.release(await worker.take(spec(seed=4), fresh=True))
    assert await catalog.find_seed("k") == 3


async def test_notes_are_stored_in_order(catalog, worker):
    """Including quotes and every script."""
    claim = await worker.take()
    notes = ("first", 'a "second"', "第三")
    for note in notes:
        await catalog.record_note(claim.generation.id, note)
    await worker.keep(claim)
    assert (await catalog.find("k", NATIVE)).generation.notes == notes


async def test_the_size_that_was_made_replaces_the_one_that_was_ordered(catalog, worker):
    """With a note on it."""
    claim = await worker.take()
    await catalog.record_native_size(claim.generation.id, SMALL, note="smaller")
    await worker.keep(claim)
    found = (await catalog.find("k", SMALL)).generation
    assert (found.spec.native_size, found.notes) == (SMALL, ("smaller",))


async def test_an_adopted_image_has_the_size_and_notes_of_its_sidecar(catalog, worker):
    """The catalog may have failed to record them."""
    claim = await worker.take()
    spec = replace(claim.generation.spec, native_size=SMALL)
    stored = {"sha256": "ab", "byte_count": 1, "object_path": "a.png", "notes": ("smaller",)}
    made = replace(claim.generation, spec=spec, stage=Stage.KEPT, **stored)
    assert await catalog.adopt(made, [])
    found = (await catalog.find("k", SMALL)).generation
    assert (found.spec.native_size, found.notes) == (SMALL, ("smaller",))


async def test_many_images_are_adopted_in_their_order(catalog, worker):
    """The last one of a key answers its requests; those that are known are left alone."""
    claim = await worker.take()
    made = replace(claim.generation, stage=Stage.KEPT, sha256="ab", byte_count=1)
    images = [replace(made, id=f"{n:012x}", object_path=f"{n}.png") for n in (3, 1, 2)]
    assert await catalog.adopt_many([(one, []) for one in images]) == [True] * 3
    assert (await catalog.find("k", SMALL)).generation.id == images[-1].id
    assert await catalog.adopt_many([(images[0], []), (images[1], [])]) == [False] * 2
    assert await catalog.adopt_many([]) == []


async def test_a_send_is_on_the_ledger_before_it_is_made(catalog, worker):
    """It is possibly billed until it is settled; each send is a line, oldest first."""
    claim = await worker.take()
    before = time.time()
    first, second = await worker.send(claim), await worker.send(claim)
    assert first != second
    open_one, _ = await catalog.list_sends(claim.generation.id)
    assert (open_one.billing, open_one.settled_at) == (Billing.POSSIBLE, None)
    assert before - 1 <= open_one.sent_at <= time.time() + 1
    await catalog.settle_send(first, Settlement(Billing.NONE, "rate_limited", "r-0"))
    made = ProviderAnswer(LINK, time.time() + 3600, "r-1")
    await catalog.record_answer(claim.generation.id, made, send=second, settlement=BILLED)
    refused, billed = await catalog.list_sends(claim.generation.id)
    assert (refused.billing, refused.code, refused.request_id) == (
        Billing.NONE,
        "rate_limited",
        "r-0",
    )
    assert (billed.billing, billed.code, billed.request_id) == (Billing.BILLED, "answered", "r-1")
    assert refused.settled_at is not None


@pytest.mark.parametrize(
    ("sent", "adopted"),
    [
        pytest.param(["possible", "billed"], ["possible", "billed"], id="answered"),
        pytest.param(["none", "possible"], ["none", "billed"], id="cut off"),
        pytest.param(["possible", "possible"], ["possible", "billed"], id="cut off twice"),
        pytest.param(["none"], ["none", "billed"], id="not on the ledger"),
    ],
)
async def test_an_adopted_image_is_billed_once(catalog, worker, sent, adopted):
    """A call already billed stays the only one; otherwise the newest open call is billed."""
    claim = await worker.take()
    for billing in sent:
        number = await worker.send(claim)
        await catalog.settle_send(number, Settlement(Billing(billing), "code"))
    kept = {"sha256": "ab" * 32, "byte_count": 9, "object_path": "a.png"}
    assert await catalog.adopt(replace(claim.generation, **kept), [])
    assert [send.billing for send in await catalog.list_sends(claim.generation.id)] == adopted


@pytest.mark.parametrize("stage", ["kept", "spooled"])
async def test_an_image_without_a_recorded_answer_is_billed_once(catalog, worker, stage):
    """The image proves that its call was billed, and that it was the last one."""
    claim = await worker.take()
    first, second = await worker.send(claim), await worker.send(claim)
    assert second > first
    made = {"sha256": "ab" * 32, "byte_count": 9}
    if stage == "kept":
        await catalog.record_kept(claim.generation.id, **made, object_path="a.png")
    else:
        await catalog.record_spooled(claim.generation.id, **made, spool_url="file:///a.png")
    calls = await catalog.list_sends(claim.generation.id)
    assert [call.billing for call in calls] == [Billing.POSSIBLE, Billing.BILLED]
    assert calls[1].settled_at is not None
    assert list(await catalog.settle_paid()) == []


async def test_an_image_of_a_generation_that_is_not_there_is_not_journalled(catalog):
    """The caller learns of it, and can add the image."""
    kept = {"sha256": "ab" * 32, "byte_count": 9, "object_path": "a.png"}
    assert await catalog.record_kept("0123456789ab", **kept) is None


async def test_only_images_without_a_billed_call_are_settled(catalog, worker, spec):
    """Not a call without an image, and not the lost first call of a billed image."""
    lost = await worker.take(spec("lost"))
    await worker.send(lost)
    await worker.lapse(lost)
    paid = await worker.take(spec("paid"))
    await worker.send(paid)
    await worker.keep(paid)
    assert list(await catalog.settle_paid()) == []
    calls = [await catalog.list_sends(claim.generation.id) for claim in (lost, paid)]
    assert [[call.billing for call in each] for each in calls] == [
        [Billing.POSSIBLE],
        [Billing.POSSIBLE, Billing.BILLED],
    ]


async def test_the_link_is_deleted_once_the_image_is_stored(catalog, worker):
    """It is no longer needed."""
    claim = await worker.take()
    await worker.keep(claim)
    assert (await catalog.find("k", NATIVE)).generation.answer is None


async def test_a_spooled_image_is_not_expected_in_the_store(catalog, worker):
    """Otherwise the store would look like another one, without the catalog's images."""
    claim = await worker.take()
    await worker.answer(claim)
    spooled = {"sha256": "ab" * 32, "byte_count": 9, "spool_url": "file:///a.png"}
    await catalog.record_spooled(claim.generation.id, **spooled)
    assert dict((await catalog.read_store()).newest) == {}


async def test_images_are_listed_newest_first(catalog, worker, spec):
    """Up to the limit, each rendition separately."""
    ids = []
    for number in range(4):
        rendition = await worker.keep(await worker.take(spec(f"k{number}", prompt="p")))
        ids.insert(0, rendition.id)
    assert [image.rendition.id for image in await catalog.list_images(limit=10)] == ids
    assert [image.rendition.id for image in await catalog.list_images(limit=2)] == ids[:2]
    await worker.answer_with(replace(rendition, size=SMALL))
    newest, *_ = await catalog.list_images(limit=1)
    assert newest.rendition.size == SMALL
    assert newest.generation.spec.prompt == "p"


async def test_an_image_is_shown_by_the_start_of_its_id(catalog, worker):
    """Only as a prefix, never as a pattern, whatever its characters."""
    rendition = await worker.keep(await worker.take())
    for prefix in ("", rendition.id[:1], rendition.generation_id, rendition.id):
        assert [image.rendition for image in await catalog.find_images(prefix)] == [rendition]
    for prefix in ("*", "?", "[0-9a-f]", "%", "_", "[", "]", "\\", "'", "\ud800", "é", "\0"):
        assert list(await catalog.find_images(prefix)) == []
    assert list(await catalog.find_images(rendition.id + "0")) == []
    assert list(await catalog.find_images(rendition.id[1:])) == []


async def test_at_most_ten_images_are_shown(catalog, worker):
    """More would not help to choose."""
    rendition = await worker.keep(await worker.take())
    for number in range(12):
        await worker.answer_with(replace(rendition, size=Size(100 + number, 100)))
    assert len(await catalog.find_images(rendition.generation_id)) == 10


async def test_each_repeated_request_is_recorded(catalog, worker):
    """The first answer with an image is paid for; all later ones are savings."""
    rendition = await worker.keep(await worker.take())
    asked = RequestRecord("a kite", NATIVE, None, None, None, ())
    for each in (asked, asked, replace(asked, style="ink")):
        await catalog.record_requests([(rendition, each)])
    (line,) = await catalog.spend(since=0.0, by=None)
    assert (line.billed, line.saved) == (1, 3)
