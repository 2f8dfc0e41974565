"""Holds a claim in another process, until it is stopped or killed.

Arguments: the catalog's path, the key, the Stage to reach, and how many seconds the lease lasts
from then on. Prints the generation's id once it has reached that stage.
"""

import asyncio
import sys
import time
from pathlib import Path

from tests.support.catalog_steps import Till

from stills.catalog import SqliteCatalog
from stills.contract.errors import Billing
from stills.contract.generation import ProviderAnswer, Settlement, Stage

ANSWER = ProviderAnswer("https://oss.example/a.png", 4e9, "r-1")
BILLED = Settlement(Billing.BILLED, "answered", "r-1")


async def hold(path: Path, key: str, stage: Stage, lease_seconds: float) -> None:
    catalog = SqliteCatalog(path)
    till = Till(catalog)
    claim = await till.claim(key)
    if stage is not Stage.CLAIMED:
        send = await till.send(claim, None)
    if stage is Stage.ANSWERED:
        await catalog.record_answer(claim.generation.id, ANSWER, send=send, settlement=BILLED)
    await catalog.renew(claim, lease_seconds=lease_seconds)
    print(claim.generation.id, flush=True)
    time.sleep(600)


if __name__ == "__main__":
    path, key, stage, lease_seconds = sys.argv[1:]
    asyncio.run(hold(Path(path), key, Stage(stage), float(lease_seconds)))
