"""Progress notifications while a client waits."""

import asyncio

import stills.mcp.progress
from stills.contract.generation import Stage
from stills.mcp.progress import progress


async def test_a_long_wait_is_told_again_and_again(monkeypatch):
    """Between stages there are signs of life, and the number always grows."""
    monkeypatch.setattr(stills.mcp.progress, "_SILENCE_SECONDS", 0.01)
    told: list[tuple[float, str]] = []
    enough = asyncio.Event()

    async def report(number: float, _: float | None, words: str | None) -> None:
        told.append((number, words))
        if len(told) == 5:
            enough.set()

    async with progress(report) as on_place:
        on_place(Stage.SENT, 0)
        await asyncio.wait_for(enough.wait(), 60)
    assert all(words.startswith("sent; waiting") for _, words in told[:5])
    numbers = [number for number, _ in told]
    assert numbers == sorted(set(numbers))


async def test_a_client_that_is_gone_is_no_error():
    """What can't be reported does not end what it is about."""

    async def report(*_: object) -> None:
        raise ConnectionError

    async with progress(report) as on_place:
        on_place(Stage.SENT, 0)
        await asyncio.sleep(0)
        on_place(Stage.KEPT, 0)
