"""Closing Stills ends what it does, and leaves nothing claimed."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from stills.catalog import SqliteCatalog
from stills.contract.request import ImageRequest
from stills.imaging import VipsImaging
from stills.pipeline.policy import Policy
from stills.sandbox import Fault, FaultKind, Sandbox

KITE = ImageRequest(prompt="a red kite over a harbour", size="1024*1024", seed=1234)


async def test_closing_ends_a_rendition_without_callers(make_stills: Callable[..., object]):
    """Nothing of a closed Stills runs on, or writes to the store."""
    fitting, ended = asyncio.Event(), asyncio.Event()

    class Stuck(VipsImaging):
        async def fit(self, *_: object) -> bytes:
            fitting.set()
            try:
                return await asyncio.Future()
            finally:
                ended.set()

    stills = await make_stills(imaging=Stuck())
    waiting = asyncio.create_task(stills.generate(KITE))
    await fitting.wait()
    waiting.cancel()
    await asyncio.wait({waiting})
    assert not ended.is_set()
    await stills.close()
    assert ended.is_set()


async def test_closing_ends_a_request_that_still_waits_for_the_catalog(
    make_stills: Callable[..., object], tmp_path: Path
):
    """A catalog on another machine may never answer."""
    recording, ended = asyncio.Event(), asyncio.Event()

    class Stuck(SqliteCatalog):
        async def record_requests(self, *_: object) -> None:
            recording.set()
            try:
                await asyncio.Future()
            finally:
                ended.set()

    stills = await make_stills(catalog=Stuck(tmp_path / "stills.db"))
    waiting = asyncio.create_task(stills.generate(KITE))
    await recording.wait()
    waiting.cancel()
    await asyncio.wait({waiting})
    assert not ended.is_set()
    await stills.close()
    assert ended.is_set()


async def test_closing_releases_the_claim(
    make_stills: Callable[..., object], sandbox: Sandbox, fast: Policy
):
    """The next worker need not wait for the lease to expire."""
    sandbox.set_faults(Fault(FaultKind.SLOW, delay_seconds=30.0))
    interrupted = await make_stills(policy=replace(fast, lease_seconds=300.0))
    waiting = asyncio.create_task(interrupted.generate(KITE))
    while not sandbox.ledger.generations:
        await asyncio.sleep(0.01)
    await interrupted.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting

    sandbox.set_faults()
    result = await (await make_stills()).generate(KITE)
    assert not result.cached
