"""Pages of what verify and recover go through."""

from pathlib import Path

from tests.conformance.conftest import Worker, make_draft

from stills.catalog import SqliteCatalog, upkeep


async def test_pages_have_every_object_once_and_oldest_first(monkeypatch, tmp_path: Path):
    """A page starts after the last generation of the one before; the last page is empty."""
    monkeypatch.setattr(upkeep, "PAGE", 2)
    catalog = SqliteCatalog(tmp_path / "stills.db")
    worker = Worker(catalog)
    kept = []
    for number in range(5):
        claim = await worker.take(make_draft(f"key {number}"))
        kept.append((await worker.keep(claim)).generation_id)
    pages, after = [], None
    while page := await catalog.list_objects(after=after):
        pages.append([one.generation_id for one in page])
        after = page[-1].generation_id
    assert pages == [kept[:2], kept[2:4], kept[4:]]
    paths = {f"{one}.png": one for one in kept}
    assert await catalog.find_unknown({**paths, "else.png": kept[0]}) == ["else.png"]
    await catalog.close()
