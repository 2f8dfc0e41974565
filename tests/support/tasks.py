"""Steps of the tests of asynchronous calls."""

import asyncio
from pathlib import Path

from stills.app import Stills
from stills.catalog import SqliteCatalog
from stills.contract.generation import Generation
from stills.contract.request import ImageRequest
from stills.contract.result import ImageResult
from stills.sandbox import Sandbox

KITE = ImageRequest(prompt="a red kite over a harbour. It flies.", size="512*512", seed=1234)
MODEL = "qwen-image-3.0"
PATIENCE_SECONDS = 30.0


async def generate(stills: Stills, **options: object) -> ImageResult:
    return await stills.generate(KITE, model=MODEL, **options)


async def left_in(folder: Path) -> Generation:
    """Return the only generation that nobody holds and that is not finished."""
    catalog = SqliteCatalog(folder / "stills.db")
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not (left := await catalog.list_unfinished()):
                await asyncio.sleep(0.01)  # a claim is given back a moment after the error
    finally:
        await catalog.close()
    assert len(left) == 1
    return left[0]


def calls(sandbox: Sandbox) -> list[int]:
    """What each call was billed; queries of tasks are no calls."""
    return [send.billed for send in sandbox.ledger.generations]
