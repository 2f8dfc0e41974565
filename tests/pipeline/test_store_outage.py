"""A store that fails during many requests: few more are paid for, and none is lost."""

from math import inf
from pathlib import Path

import pytest

from stills.catalog import SqliteCatalog
from stills.contract.errors import Billing, CatalogError, StoreRefused
from stills.contract.request import ImageRequest
from stills.sandbox import Sandbox
from stills.store import open_store

CONCURRENCY = 4
MODEL = "qwen-image-2.0"


class FailingStore:
    """A store that refuses everything once it has taken a number of objects."""

    def __init__(self, folder: Path, *, takes: float) -> None:
        self._store = open_store(str(folder))
        self._left = takes

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    async def put(self, path: str, data: object, **options: object) -> None:
        self._left -= 1
        if self._left < 0:
            raise StoreRefused("no answer")
        await self._store.put(path, data, **options)


async def run(stills) -> list[StoreRefused]:
    requests = (ImageRequest(prompt=f"kite {n}", size="512*512", seed=1) for n in range(60))
    outcomes = stills.generate_many(requests, model=MODEL, concurrency=CONCURRENCY)
    return [each.error async for each in outcomes if each.error is not None]


async def test_a_store_that_is_down_from_the_start_costs_nothing(
    make_stills, sandbox: Sandbox, tmp_path: Path
):
    """Every request fails before anything is sent."""
    stills = await make_stills(store=FailingStore(tmp_path / "images", takes=0))
    errors = await run(stills)
    assert {(type(error), error.billing) for error in errors} == {(StoreRefused, Billing.NONE)}
    assert len(errors) == 60
    assert not sandbox.ledger.generations


async def test_a_store_that_goes_down_costs_only_what_was_under_way(
    make_stills, sandbox: Sandbox, tmp_path: Path
):
    """The images are in the spool, and recover stores them without a call."""
    stills = await make_stills(store=FailingStore(tmp_path / "images", takes=20))
    errors = await run(stills)
    spooled = [error for error in errors if error.billing is Billing.BILLED]
    assert 1 <= len(spooled) <= 2 * CONCURRENCY
    billed = sandbox.ledger.billed_images
    assert billed == 60 - len(errors) + len(spooled)

    repaired = await make_stills()
    assert [each.kept for each in await repaired.maintenance.recover()] == [True] * len(spooled)
    assert sandbox.ledger.billed_images == billed


class FailingCatalog:
    """A catalog that can't say which store is its own, from the moment the store refuses."""

    def __init__(self, path: Path) -> None:
        self._catalog = SqliteCatalog(path)
        self.fails = False

    def __getattr__(self, name: str) -> object:
        return getattr(self._catalog, name)

    async def read_store(self) -> object:
        if self.fails:
            raise CatalogError("the catalog is locked")
        return await self._catalog.read_store()


async def test_an_image_is_spooled_even_if_its_store_is_unknown(
    make_stills, sandbox: Sandbox, tmp_path: Path
):
    """The spooled image does not say to which store it belongs, and recover takes it as its own."""
    catalog = FailingCatalog(tmp_path / "stills.db")

    class RefusingStore(FailingStore):
        async def put(self, path: str, data: object, **options: object) -> None:
            if path.endswith(".png"):
                catalog.fails = True
                raise StoreRefused("no answer")
            await super().put(path, data, **options)

    store = RefusingStore(tmp_path / "images", takes=inf)
    stills = await make_stills(store=store, catalog=catalog)
    with pytest.raises(StoreRefused, match="the paid image is safe at file://") as refused:
        await stills.generate(ImageRequest(prompt="a kite", size="512*512"), model=MODEL)
    assert refused.value.billing is Billing.BILLED

    repaired = await make_stills(catalog=SqliteCatalog(tmp_path / "stills.db"))
    assert [each.kept for each in await repaired.maintenance.recover()] == [True]
    assert sandbox.ledger.billed_images == 1
