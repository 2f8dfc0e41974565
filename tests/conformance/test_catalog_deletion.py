"""Deleting images in every Catalog. To test another, add it to `CATALOGS` in conftest.py."""

import time
from dataclasses import replace

from stills.contract.generation import CatalogHit, CatalogMiss, Claim
from stills.contract.size import Size


async def test_a_deleted_image_is_gone_in_all_sizes_but_its_calls_stay(catalog, worker, spec):
    """The ledger is the record of the money; another image stays as it is."""
    other = await worker.keep(await worker.take(spec("other")))
    rendition = await worker.keep(await worker.take(spec("k")))
    await worker.answer_with(replace(rendition, size=Size(64, 64), object_path="small.png"))
    deleted = rendition.generation_id
    paths = await catalog.list_generation_objects(deleted)
    assert paths == sorted(["small.png", f"{deleted}.png"])
    spent = await catalog.spend(since=0.0, by=None)
    for _ in range(2):
        await catalog.delete_generation(deleted)
        assert isinstance(await catalog.find("k", Size(1328, 1328)), CatalogMiss)
        assert isinstance(await catalog.find("k-seeded", Size(64, 64)), CatalogMiss)
        assert await catalog.find_images(deleted) == []
        assert await catalog.list_generation_objects(deleted) == []
        listed = [image.generation.id for image in await catalog.list_images(limit=9)]
        assert listed == [other.generation_id]
        stored = [one.path for one in await catalog.list_objects()]
        assert stored == [other.object_path]
    assert [send.billing.value for send in await catalog.list_sends(deleted)] == ["billed"]
    assert await catalog.spend(since=0.0, by=None) == spent
    assert await catalog.list_unfinished() == []


async def test_an_equal_request_starts_a_new_generation(catalog, worker, spec):
    """And can be stored, listed and deleted again."""
    first = await worker.keep(await worker.take(spec("k")))
    await catalog.delete_generation(first.generation_id)
    claim = await worker.take(spec("k"))
    assert isinstance(claim, Claim)
    assert claim.generation.id != first.generation_id
    await worker.keep(claim)
    assert isinstance(await worker.take(spec("k")), CatalogHit)


async def test_a_generation_that_is_being_made_is_not_touched(catalog, worker, spec):
    """Only stored images can be deleted."""
    claim = await worker.take(spec("k"))
    await worker.answer(claim)
    await catalog.delete_generation(claim.generation.id)
    rendition = await worker.keep_answered(claim)
    assert isinstance(await catalog.find("k", rendition.size), CatalogHit)


async def test_the_time_of_a_deletion_is_known_by_both_keys(catalog, worker, spec):
    """Until an equal image is stored again; a request that only failed was not deleted."""
    first = await worker.keep(await worker.take(spec("k")))
    await catalog.delete_generation(first.generation_id)
    await catalog.release(await worker.take(spec("other")))
    wanted = [(key, first.size) for key in ("k", "k-seeded", "other")]
    by_key, by_seed, other = await catalog.find_many(wanted)
    assert by_key == by_seed == await catalog.find("k", first.size)
    assert abs(by_key.deleted_at - time.time()) < 3600
    assert other == await catalog.find("other", first.size) == CatalogMiss()
    await worker.keep(await worker.take(spec("k")))
    assert isinstance(await catalog.find("k", first.size), CatalogHit)


async def test_an_image_that_comes_back_was_not_deleted(catalog, worker, spec):
    """Such as one whose files were put back before the catalog was rebuilt."""
    rendition = await worker.keep(await worker.take(spec("k")))
    (image,) = await catalog.find_images(rendition.generation_id)
    await catalog.delete_generation(rendition.generation_id)
    assert await catalog.adopt(image.generation, [rendition])
    await catalog.delete_generation(rendition.generation_id)
    assert await catalog.adopt(image.generation, [rendition])
    hit, by_seed = await catalog.find_many([("k", rendition.size), ("k-seeded", rendition.size)])
    assert hit == by_seed
    assert hit.rendition == rendition


async def test_images_older_than_a_time_are_listed_with_all_their_bytes(catalog, worker, spec):
    """Oldest first, in pages; those in progress are not stored."""
    renditions = [await worker.keep(await worker.take(spec(key))) for key in ("a", "b", "c")]
    small = replace(renditions[0], size=Size(64, 64), object_path="small.png", byte_count=5)
    await worker.answer_with(small)
    await worker.take(spec("d"))
    old = await catalog.list_older_than(time.time() + 3600)
    ids = [rendition.generation_id for rendition in renditions]
    assert [one.id for one in old] == ids
    assert [one.byte_count for one in old] == [
        renditions[0].byte_count + 5, renditions[1].byte_count, renditions[2].byte_count
    ]  # fmt: skip
    assert await catalog.list_older_than(old[0].created_at) == []
    rest = await catalog.list_older_than(time.time() + 3600, after=ids[1])
    assert [one.id for one in rest] == ids[2:]


async def test_folders_of_batches_are_remembered_until_they_are_forgotten(catalog):
    """Once each, by machine."""
    assert await catalog.batch_folders.list() == []
    for url in ("file:///b", "file:///a", "file:///b"):
        await catalog.batch_folders.add(url)
    first, second = await catalog.batch_folders.list()
    assert [first.url, second.url] == ["file:///a", "file:///b"]
    assert first.host == second.host != ""
    for _ in range(2):
        await catalog.batch_folders.forget(first)
        assert await catalog.batch_folders.list() == [second]


async def test_an_imported_image_has_no_call_in_the_ledger(catalog, worker, spec):
    """It was paid for elsewhere; once it is known, nothing is added either."""
    rendition = await worker.keep(await worker.take(spec("k")))
    (image,) = await catalog.find_images(rendition.generation_id)
    spent = await catalog.spend(since=0.0, by=None)
    generation = replace(image.generation, id="0" * 12, object_path="i.png", is_imported=True)
    native = replace(rendition, generation_id=generation.id, object_path="i.png")
    assert await catalog.find_generation(generation.id) is None
    assert await catalog.adopt(generation, [native])
    assert not await catalog.adopt(generation, [native])
    assert await catalog.list_sends(generation.id) == []
    assert await catalog.spend(since=0.0, by=None) == spent
    found = await catalog.find_generation(generation.id)
    assert (found.stage, found.sha256) == ("kept", generation.sha256)
