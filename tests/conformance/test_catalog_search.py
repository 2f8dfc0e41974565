"""Search in every Catalog. To test another, add it to `CATALOGS` in conftest.py."""

from dataclasses import replace

import pytest

from stills.contract.errors import InvalidRequest
from stills.contract.search import ImageLabels, ImageSearch
from stills.contract.size import Size

ALL = ImageSearch()


async def test_pages_follow_each_other_without_gaps(catalog, worker, spec):
    """Also between two sizes of one generation, and while newer images are added."""
    for seed in range(3):
        rendition = await worker.keep(await worker.take(spec(f"k{seed}", seed=seed)))
        await worker.answer_with(replace(rendition, size=Size(64, 64), object_path="s.png"))
    whole = await catalog.search_images(ALL, limit=6, cursor=None)
    assert ([image.generation.spec.seed for image in whole.images], whole.next_cursor) == (
        [2, 2, 1, 1, 0, 0],
        None,
    )
    seen, cursor = [], None
    for newer in ("k7", "k8", "k9"):
        page = await catalog.search_images(ALL, limit=2 if seen else 3, cursor=cursor)
        seen, cursor = [*seen, *page.images], page.next_cursor
        await worker.keep(await worker.take(spec(newer)))
        if cursor is None:
            break
    assert seen[:5] == list(whole.images)[:5]


async def test_a_search_matches_text_literally_and_other_fields_exactly(catalog, worker, spec):
    """Case does not matter in a prompt, and a wildcard is an ordinary character."""
    prompts = (("c", "über Красный", "oil"), ("a", "50% Ink_", "ink"), ("b", "50 inks", "Ink"))
    for key, prompt, style in prompts:
        await worker.keep(await worker.take(spec(key, prompt=prompt, style=style)))

    async def found(**facts: object) -> list[str]:
        page = await catalog.search_images(ImageSearch(**facts), limit=9, cursor=None)
        return [image.generation.spec.key for image in page.images]

    assert await found() == ["b", "a", "c"]
    assert await found(text="INK") == ["b", "a"]
    assert await found(text="ÜBER красный") == ["c"]
    assert await found(text="\0") == []
    assert await found(text="%") == ["a"]
    assert await found(text="k_") == ["a"]
    assert await found(text="\\") == []
    assert await found(text='50% Ink_"') == []
    assert await found(text="ink OR oil") == []
    assert await found(text="nk*") == []
    assert await found(text="ink\0s") == []
    assert await found(text=" Ink", style="ink") == ["a"]
    assert await found(style="ink") == ["a"]
    assert await found(model="qwen-image-max", provider="sandbox", seed=7, style="Ink") == ["b"]
    assert await found(seed=8) == []


async def test_all_words_occur_in_any_order(catalog, worker, spec):
    """Short ones too; their case does not matter."""
    for key, prompt in (("a", "A red kite"), ("b", "a kite, up high"), ("c", "red")):
        await worker.keep(await worker.take(spec(key, prompt=prompt)))

    async def found(*words: str, **facts: object) -> list[str]:
        search = ImageSearch(words=words, **facts)
        page = await catalog.search_images(search, limit=9, cursor=None)
        return [image.generation.spec.key for image in page.images]

    assert await found("kite", "RED") == ["a"]
    assert await found("kite", "a") == ["b", "a"]
    assert await found("up", "kite") == ["b"]
    assert await found("kite", "blue") == []
    assert await found("kite", "\0") == []
    assert await found("a", text="d k") == ["a"]
    assert await found(prompt="a kite, up high") == ["b"]
    assert await found(prompt="red") == ["c"]
    assert await found(prompt="kite") == []


async def test_images_are_searched_by_time_and_by_their_neighbours(catalog, worker, spec):
    """Those that follow an image are the closest ones, still newest first."""
    images = {}
    for key in "abcd":
        rendition = await worker.keep(await worker.take(spec(key)))
        images[key] = (await catalog.find_image(rendition.id)).generation

    async def found(*, limit: int = 9, **facts: object) -> list[str]:
        page = await catalog.search_images(ImageSearch(**facts), limit=limit, cursor=None)
        return [image.generation.spec.key for image in page.images]

    at = images["b"].created_at
    assert await found(since=at) == ["d", "c", "b"]
    assert await found(before=at) == ["a"]
    assert await found(older_than=images["c"].id) == ["b", "a"]
    assert await found(newer_than=images["a"].id, limit=2) == ["c", "b"]
    assert await found(older_than="unknown") == []


async def test_of_each_generation_only_the_largest_size_is_listed(catalog, worker, spec):
    """Pages still follow each other without gaps."""
    for seed in range(3):
        rendition = await worker.keep(await worker.take(spec(f"k{seed}", seed=seed)))
        for size in (Size(64, 64), Size(2048, 64)):
            await worker.answer_with(replace(rendition, size=size, object_path="s.png"))
    largest = ImageSearch(largest_only=True)
    page = await catalog.search_images(largest, limit=2, cursor=None)
    rest = await catalog.search_images(largest, limit=2, cursor=page.next_cursor)
    assert [image.generation.spec.seed for image in (*page.images, *rest.images)] == [2, 1, 0]
    assert {image.rendition.size for image in (*page.images, *rest.images)} == {Size(2048, 64)}
    assert rest.next_cursor is None


async def test_the_labels_of_images_are_listed(catalog, worker, spec):
    """Each once, in alphabetical order."""
    assert await catalog.list_labels(limit=9) == ImageLabels([], [])
    for key, style in (("a", "oil"), ("b", None), ("c", "ink"), ("d", "oil")):
        await worker.keep(await worker.take(spec(key, style=style)))
    assert await catalog.list_labels(limit=9) == ImageLabels(["qwen-image-max"], ["ink", "oil"])
    assert len((await catalog.list_labels(limit=1)).styles) == 1


async def test_images_that_were_made_at_once_are_found_by_their_own_prompts(catalog, worker, spec):
    """Also if an image is journalled as stored twice, by two processes."""
    claims = [await worker.take(spec(key, prompt=f"kite {key}")) for key in ("one", "two")]
    for claim in claims:
        await worker.keep(claim)
        kept = {"sha256": "ab" * 32, "byte_count": 9}
        await catalog.record_kept(
            claim.generation.id, **kept, object_path=f"{claim.generation.id}.png"
        )
    for key in ("one", "two"):
        page = await catalog.search_images(ImageSearch(text=key), limit=9, cursor=None)
        assert [image.generation.spec.key for image in page.images] == [key]


async def test_an_invalid_cursor_is_refused(catalog):
    """The error names the parameter."""
    with pytest.raises(InvalidRequest) as refused:
        await catalog.search_images(ALL, limit=1, cursor="0 OR 1")
    assert refused.value.field == "cursor"


async def test_an_image_is_looked_up_by_its_full_id(catalog, worker):
    """Not by a part of it or another spelling."""
    rendition = await worker.keep(await worker.take())
    image = await catalog.find_image(rendition.id)
    assert image is not None
    assert image.rendition == rendition
    beginning, _, size = rendition.id.partition("-")
    others = (rendition.id[:-1], beginning, f"{beginning}-0{size}", f"{beginning}-64x64", "", "ü")
    for other in others:
        assert await catalog.find_image(other) is None, other
