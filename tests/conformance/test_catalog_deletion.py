"""Deleting images in every Catalog. To test another, add it to `CATALOGS` in conftest.py."""

from dataclasses import replace

from stills.contract.generation import CatalogHit, Claim
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
        assert await catalog.find("k", Size(1328, 1328)) is None
        assert await catalog.find("k-seeded", Size(64, 64)) is None
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
    assert await catalog.find("k", rendition.size) is not None
