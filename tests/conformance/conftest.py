"""The catalogs under test, and a worker that drives one through the steps of a generation."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from stills.catalog import SqliteCatalog
from stills.catalog.postgres import PostgresCatalog
from stills.contract.errors import Billing
from stills.contract.generation import (
    CatalogHit,
    Claim,
    GenerationSpec,
    ProviderAnswer,
    Rendition,
    RequestRecord,
    Settlement,
)
from stills.contract.money import Caps
from stills.contract.ports.catalog import Catalog
from stills.contract.size import Size

NATIVE = Size(1328, 1328)
LEASE_SECONDS = 60.0
LINK = "https://oss.example/a.png?Signature=topsecret"

CATALOGS: dict[str, Callable[[pytest.FixtureRequest, Path], Callable[[], Catalog]]] = {
    "sqlite": lambda _, folder: lambda: SqliteCatalog(folder / "not yet" / "made" / "stills.db"),
    "postgres": lambda request, _: lambda: PostgresCatalog(request.getfixturevalue("postgres_url")),
}


def make_draft(key: str = "k", **facts: Any) -> GenerationSpec:
    """Make a spec with any of its fields changed."""
    defaults = {
        "seeded_key": f"{key}-seeded",
        "provider": "sandbox",
        "model": "qwen-image-max",
        "prompt": "a red kite",
        "style": None,
        "text": "a red kite",
        "negative_prompt": None,
        "native_size": NATIVE,
        "seed": 7,
        "references": (),
        "price_usd": 0.075,
    }
    return GenerationSpec(key=key, **{**defaults, **facts})


class Worker:
    """One process's connection to the catalog, with the steps of a worker."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog

    async def take(
        self,
        spec: GenerationSpec | None = None,
        *,
        lease_seconds: float = LEASE_SECONDS,
        fresh: bool = False,
        fresh_key: str | None = None,
    ) -> Claim | CatalogHit | None:
        return await self.catalog.claim(
            spec or make_draft(),
            NATIVE,
            lease_seconds=lease_seconds,
            fresh=fresh,
            fresh_key=fresh_key,
            caps=Caps(),
        )

    async def send(self, claim: Claim, *, account: str = "") -> int | None:
        numbers = await self.catalog.record_sends(
            [claim], lease_seconds=LEASE_SECONDS, caps=Caps(), account=account
        )
        return None if numbers is None else numbers[0]

    async def answer(self, claim: Claim, *, lives_seconds: float = 3600.0) -> ProviderAnswer:
        number = await self.send(claim)
        answer = ProviderAnswer(LINK, time.time() + lives_seconds, "r-1")
        billed = Settlement(Billing.BILLED, "answered", "r-1")
        await self.catalog.record_answer(
            claim.generation.id, answer, send=number, settlement=billed
        )
        return answer

    async def keep(self, claim: Claim) -> Rendition:
        await self.answer(claim)
        return await self.keep_answered(claim)

    async def keep_answered(self, claim: Claim) -> Rendition:
        path = f"{claim.generation.id}.png"
        kept = {"sha256": "ab" * 32, "byte_count": 9, "object_path": path}
        await self.catalog.record_kept(claim.generation.id, **kept)
        rendition = Rendition(generation_id=claim.generation.id, size=NATIVE, **kept)
        await self.answer_with(rendition)
        await self.catalog.release(claim)
        return rendition

    async def answer_with(self, rendition: Rendition) -> None:
        """Answer a request with a rendition."""
        asked = RequestRecord("a red kite", rendition.size, None, None, None, ())
        await self.catalog.record_requests([(rendition, asked)])

    async def lapse(self, claim: Claim) -> None:
        """Let a claim's lease lapse, as if its worker had ended."""
        assert await self.catalog.renew(claim, lease_seconds=-1.0)


@pytest.fixture(params=CATALOGS)
async def open_worker(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[Callable[[], Worker]]:
    """Open the same catalog several times, as several processes would."""
    open_catalog = CATALOGS[request.param](request, tmp_path)
    async with AsyncExitStack() as stack:

        def open_one() -> Worker:
            catalog = open_catalog()
            stack.push_async_callback(catalog.close)
            return Worker(catalog)

        yield open_one


@pytest.fixture
def worker(open_worker: Callable[[], Worker]) -> Worker:
    """One worker."""
    return open_worker()


@pytest.fixture
def catalog(worker: Worker) -> Catalog:
    """The worker's catalog."""
    return worker.catalog


@pytest.fixture
def spec() -> Callable[..., GenerationSpec]:
    """Make specs."""
    return make_draft
