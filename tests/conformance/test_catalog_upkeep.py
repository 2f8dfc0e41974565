"""What every Catalog promises to recover and verify."""

from dataclasses import replace

import pytest

from stills.contract.generation import Generation, Rendition, Stage, Task
from stills.contract.size import Size

NATIVE, SMALL = Size(1328, 1328), Size(512, 512)
FILE = {"sha256": "ab" * 32, "byte_count": 9}


@pytest.fixture
async def stored(worker) -> Generation:
    """A stored image, of which no rendition is listed."""
    claim = await worker.take()
    await worker.answer(claim)
    path = f"{claim.generation.id}.png"
    return await worker.catalog.record_kept(claim.generation.id, **FILE, object_path=path)


def rendition(generation: Generation, size: Size, path: str) -> Rendition:
    return Rendition(generation.id, size, **FILE, object_path=path)


async def test_an_adopted_image_is_listed_in_every_size(catalog, worker):
    """As its files in the store show."""
    claim = await worker.take()
    made = replace(claim.generation, stage=Stage.KEPT, **FILE, object_path="a.png")
    renditions = [rendition(made, NATIVE, "a.png"), rendition(made, SMALL, "small.png")]
    assert await catalog.adopt(made, renditions)
    for each in renditions:
        assert (await catalog.find("k", each.size)).rendition == each
        (image,) = await catalog.find_images(each.id)
        assert image.rendition == each


async def test_an_image_that_is_known_as_stored_stays_as_it_is(catalog, stored):
    """Whatever a sidecar says: the catalog may know more."""
    calls = await catalog.list_sends(stored.id)
    other = replace(stored, sha256="cd" * 32, object_path="other.png", notes=("other",))
    assert await catalog.adopt(other, []) is False
    assert (await catalog.find("k", NATIVE)).generation == stored
    assert await catalog.list_sends(stored.id) == calls


async def test_the_own_size_of_a_known_image_is_listed_if_nothing_of_it_is(catalog, stored):
    """Its process ended before it could record the request."""
    native = rendition(stored, NATIVE, stored.object_path)
    assert await catalog.adopt(stored, [native]) is False
    assert (await catalog.find("k", NATIVE)).rendition == native


async def test_the_own_size_of_a_known_image_is_not_listed_if_another_is(catalog, stored, worker):
    """Every image is stored at its own size, and nobody may have asked for that."""
    small, smaller = (
        rendition(stored, SMALL, "small.png"),
        rendition(stored, Size(64, 64), "64.png"),
    )
    await worker.answer_with(small)
    native = rendition(stored, NATIVE, stored.object_path)
    assert await catalog.adopt(stored, [native, smaller]) is False
    assert (await catalog.find("k", NATIVE)).rendition is None
    assert (await catalog.find("k", smaller.size)).rendition == smaller


async def test_only_files_that_no_image_has_are_unknown(catalog, stored, worker, spec):
    """A file is known by the generation in its name, whether or not its size was requested."""
    await worker.answer_with(rendition(stored, SMALL, "small.png"))
    answered = await worker.take(spec("k2"))
    await worker.answer(answered)
    unknown = {"else.png": stored.id, "a.png": answered.generation.id, "b.png": "0123456789ab"}
    known = {stored.object_path: stored.id, "small.png": stored.id}
    assert sorted(await catalog.find_unknown({**known, **unknown})) == sorted(unknown)
    assert list(await catalog.find_unknown({})) == []


async def test_every_file_of_a_stored_image_is_listed_once(catalog, stored, worker):
    """Its own size is the file of the generation."""
    await worker.answer_with(rendition(stored, NATIVE, stored.object_path))
    await worker.answer_with(rendition(stored, SMALL, "small.png"))
    listed = [(one.path, one.owner) for one in await catalog.list_objects()]
    small = f"{stored.id}-512x512"
    assert sorted(listed) == sorted([(stored.object_path, stored.id), ("small.png", small)])


async def test_a_store_is_known_by_the_newest_images(catalog, worker, spec):
    """An old one may have been deleted."""
    kept = [await worker.keep(await worker.take(spec(f"k{number}"))) for number in range(7)]
    newest = {one.object_path: one.byte_count for one in kept[2:]}
    assert dict((await catalog.read_store()).newest) == newest


async def test_every_process_knows_the_store_that_was_recorded(open_worker):
    """A new catalog has made up an id, which no store has confirmed."""
    one, other = open_worker().catalog, open_worker().catalog
    assert (await one.read_store()).confirmed is False
    await one.record_store("0123456789abcdef")
    store = await other.read_store()
    assert (store.id, store.confirmed) == ("0123456789abcdef", True)


async def test_an_image_that_is_rendered_again_has_the_new_hash(catalog, stored, worker):
    """A later version may encode the same file differently."""
    small = rendition(stored, SMALL, "small.png")
    for each in (small, replace(small, sha256="cd" * 32, byte_count=8)):
        await worker.answer_with(each)
        assert (await catalog.find("k", SMALL)).rendition == each


async def test_a_stored_image_does_not_say_how_it_came(catalog, worker):
    """Neither where it was spooled, nor the task that made it."""
    claim = await worker.take()
    task = Task("t-1", await worker.send(claim))
    await catalog.record_task(claim.generation.id, task)
    await catalog.record_spooled(claim.generation.id, **FILE, spool_url="file:///a.png")
    stored = await catalog.record_kept(claim.generation.id, **FILE, object_path="a.png")
    assert (stored.spool_url, stored.spool_owner, stored.task) == (None, None, None)
