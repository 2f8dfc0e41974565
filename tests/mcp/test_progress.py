"""Progress notifications while a client waits."""

import asyncio

from stills.contract.generation import Stage
from stills.mcp.progress import report_progress


async def test_a_long_wait_repeats_the_last_stage():
    """While nothing happens, the last stage is reported again with a growing number."""
    reported: list[tuple[float, str]] = []
    enough = asyncio.Event()

    async def report(number: float, _: float | None, message: str | None) -> None:
        reported.append((number, message))
        if len(reported) == 5:
            enough.set()

    async with report_progress(report, keep_alive_seconds=0.01) as on_progress:
        on_progress(Stage.SENT, 0)
        await asyncio.wait_for(enough.wait(), 60)
    assert all(message.startswith("sent; waiting") for _, message in reported[:5])
    numbers = [number for number, _ in reported]
    assert numbers == sorted(set(numbers))


async def test_a_client_that_has_left_is_not_an_error():
    """If a report fails, the generation continues."""

    async def report(*_: object) -> None:
        raise ConnectionError

    async with report_progress(report) as on_progress:
        on_progress(Stage.SENT, 0)
        await asyncio.sleep(0)
        on_progress(Stage.KEPT, 0)
