"""One catalog, many processes."""

import asyncio
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from stills.catalog import SqliteCatalog
from stills.contract.generation import Claim, GenerationSpec
from stills.contract.money import Caps
from stills.contract.size import Size

SIZE = Size(1328, 1328)


def spec(key: str) -> GenerationSpec:
    return GenerationSpec(
        key=key,
        seeded_key=key,
        provider="sandbox",
        model="qwen-image-max",
        prompt="a kite",
        style=None,
        text="a kite",
        negative_prompt=None,
        native_size=SIZE,
        seed=1,
        references=(),
        price_usd=None,
    )


def claim_all(path: Path, keys: list[str]) -> list[str]:
    """Try to claim every key five times; return those won. Runs in a process of its own."""

    async def run() -> list[str]:
        catalog = SqliteCatalog(path)
        taken = await asyncio.gather(
            *(
                catalog.claim(spec(key), SIZE, lease_seconds=600.0, fresh=False, caps=Caps())
                for key in keys * 5
            )
        )
        await catalog.close()
        return [claim.key for claim in taken if isinstance(claim, Claim)]

    return asyncio.run(run())


def share(barrier: Barrier) -> None:
    """Let all processes of a pool wait for each other."""
    globals()["together"] = barrier


def open_all(paths: list[Path]) -> None:
    """Use one new database after another. Runs in a process of its own."""

    async def run(path: Path) -> None:
        catalog = SqliteCatalog(path)
        await catalog.list_images(limit=1)
        await catalog.close()

    for path in paths:
        globals()["together"].wait(timeout=60)
        asyncio.run(run(path))


@pytest.fixture(scope="module")
def processes():
    """Eight processes that share nothing but a barrier."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(8, spawn, initializer=share, initargs=(spawn.Barrier(8),)) as pool:
        yield pool


def test_eight_processes_that_start_at_once_create_one_database(processes, tmp_path):
    """No process fails because another creates the file, in sixty rounds."""
    paths = [tmp_path / str(number) / "stills.db" for number in range(60)]
    for future in [processes.submit(open_all, paths) for _ in range(8)]:
        future.result(timeout=60)


def test_of_eight_processes_one_wins_each_claim(processes, tmp_path):
    """Each key is won exactly once."""
    keys = [f"key {number}" for number in range(20)]
    path = tmp_path / "stills.db"
    won = [
        key
        for future in [processes.submit(claim_all, path, keys) for _ in range(8)]
        for key in future.result(timeout=60)
    ]
    assert sorted(won) == sorted(keys)
