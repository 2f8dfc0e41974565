"""Steps of the tests that recover images: refusing stores, edits of the catalog, outcomes."""

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from stills.app import Stills
from stills.contract.errors import MissingKey
from stills.contract.ports.provider import Provider
from stills.contract.request import ImageRequest
from stills.contract.result import ImageResult
from stills.contract.upkeep import Recovered
from stills.pipeline.sidecar import SIDECAR_FOLDER
from stills.provider.deferred import DeferredProvider
from stills.sandbox import Sandbox
from stills.store import open_store

KITE = ImageRequest(prompt="a red kite", size="512*512", style="ink", seed=1)
Make = Callable[..., object]


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def execute(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def refusing(folder: Path, name: str) -> object:
    """A store that takes its marker, but no image: a file is in the way of the sidecars."""
    store = folder / f"refusing-{name}"
    store.mkdir(exist_ok=True)
    (store / SIDECAR_FOLDER).write_text("")
    return open_store(str(store))


async def kept_free(stills: Stills, sandbox: Sandbox, request: ImageRequest = KITE) -> ImageResult:
    """Request a paid image: it is stored and intact, and nothing is sent."""
    before = len(sandbox.ledger.generations)
    result = await stills.generate(request)
    assert result.cached
    assert len(sandbox.ledger.generations) == before
    assert (await stills.images.verify()).findings == ()
    return result


def ends(outcomes: Sequence[Recovered]) -> list[tuple[bool, str]]:
    return [(outcome.kept, outcome.reason) for outcome in outcomes]


async def make_without_a_key(make_stills: Make) -> Stills:
    """Make Stills on the same catalog and store, without an API key."""

    async def refuse(_: object) -> Provider:
        raise MissingKey

    return await make_stills(provider=DeferredProvider("none", refuse))
