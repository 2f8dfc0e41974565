"""The synchronous facade, for scripts and notebooks without an event loop."""

import asyncio
import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import aclosing
from typing import Any

from stills.blocking_session import SESSION
from stills.contract.forked import has_lost_libraries
from stills.contract.generation import Stage
from stills.contract.outcome import RequestOutcome
from stills.contract.request import ImageRequest
from stills.contract.result import ImageResult
from stills.fresh_process import run_in_fresh_process

_LOG = logging.getLogger("stills")


def generate(
    request: ImageRequest,
    *,
    model: str | None = None,
    fresh: bool = False,
    max_cost_usd: float | None = None,
    sandbox: bool = False,
) -> ImageResult:
    """Generate an image, or return the stored one of an equal request.

    The catalog stays open for further calls, until the program ends. In a process that was forked
    after its parent generated an image, such as a worker of Celery, the request is answered in a
    new process, because libvips does not work after a fork.

    After Ctrl-C, a request that was already sent is finished and its image stored, so a retry is
    free. A second Ctrl-C stops immediately.

    Args:
        request: what to generate.
        model: an exact id, as `stills models` lists them; by default STILLS_MODEL, or
            qwen-image-max.
        fresh: True pays for a new image even if one is stored.
        max_cost_usd: the most that the image may cost, in USD; more is an error.
        sandbox: True uses the built-in sandbox, without an API key and without cost.

    Raises:
        KeyboardInterrupt: Ctrl-C, once or twice.
        StillsError: see stills.errors.
        RuntimeError: called from within a running event loop; use `Stills` there.
    """
    options = {"model": model, "fresh": fresh, "max_cost_usd": max_cost_usd}
    (result,) = _generate(request, 1, options, sandbox=sandbox)
    return result


def generate_takes(
    request: ImageRequest,
    *,
    takes: int,
    model: str | None = None,
    fresh: bool = False,
    max_cost_usd: float | None = None,
    sandbox: bool = False,
) -> tuple[ImageResult, ...]:
    """Generate several images of one request, each with the seed after the last one's.

    Forked processes and Ctrl-C are handled as in `generate`.

    Args:
        request: what to generate.
        takes: the number of images, 1 to 16.
        model: as in `generate`.
        fresh: True pays for new images even if some are stored.
        max_cost_usd: the most that all takes may cost together, in USD.
        sandbox: as in `generate`.

    Raises:
        KeyboardInterrupt: Ctrl-C, once or twice.
        StillsError: see stills.errors.
        RuntimeError: called from within a running event loop; use `Stills` there.
    """
    options = {"model": model, "fresh": fresh, "max_cost_usd": max_cost_usd}
    return _generate(request, takes, options, sandbox=sandbox)


def generate_many(
    requests: Iterable[ImageRequest],
    *,
    concurrency: int | None = None,
    model: str | None = None,
    fresh: bool = False,
    max_cost_usd: float | None = None,
    sandbox: bool = False,
) -> Iterator[RequestOutcome]:
    """Generate images of any number of requests, and yield each outcome as it finishes.

    `requests` is read on another thread, as needed. After Ctrl-C or after leaving the loop, calls
    already sent are finished and their images stored. Forked processes are handled as in
    `generate`, but all outcomes come at the end.

    Args:
        requests: any number of requests.
        concurrency: how many may wait for the service at once; by default STILLS_CONCURRENCY, or 8.
        model: as in `generate`.
        fresh: True pays for new images even if some are stored.
        max_cost_usd: the most that each request may cost, in USD.
        sandbox: as in `generate`.

    Raises:
        KeyboardInterrupt: Ctrl-C, once or twice.
        InvalidRequest: the model or the concurrency is invalid, or one of `requests` is not an
            ImageRequest.
        RuntimeError: called from within a running event loop; use `Stills` there.
    """
    _check_no_loop()
    options = {
        "concurrency": concurrency,
        "model": model,
        "fresh": fresh,
        "max_cost_usd": max_cost_usd,
    }
    if has_lost_libraries():
        return iter(run_in_fresh_process(_list_outcomes, list(requests), options, sandbox))
    return _outcomes(requests, options, sandbox=sandbox)


def _generate(
    request: ImageRequest, takes: int, options: dict[str, Any], *, sandbox: bool
) -> tuple[ImageResult, ...]:
    _check_no_loop()
    if has_lost_libraries():
        results: tuple[ImageResult, ...] = run_in_fresh_process(
            _generate, request, takes, options, sandbox=sandbox
        )
        return results
    stop = _Stop()

    async def work() -> tuple[ImageResult, ...]:
        async with SESSION.open(sandbox=sandbox) as stills:
            return await stills.generate_takes(
                request, takes=takes, stop=stop.event, on_stage=stop.follow, **options
            )

    return SESSION.run(work(), on_interrupt=stop.set)


def _outcomes(
    requests: Iterable[ImageRequest], options: dict[str, Any], *, sandbox: bool
) -> Iterator[RequestOutcome]:
    stop = _Stop()
    waiting: asyncio.Queue[RequestOutcome | Exception | None] = asyncio.Queue(1)

    async def produce() -> None:
        end = None
        try:
            async with (
                SESSION.open(sandbox=sandbox) as stills,
                aclosing(
                    stills.generate_many(requests, stop=stop.event, on_stage=stop.follow, **options)
                ) as outcomes,
            ):
                async for outcome in outcomes:
                    await waiting.put(outcome)
        except Exception as error:  # noqa: BLE001 - the caller's thread raises it
            end = error
        await waiting.put(end)

    async def leave() -> None:
        producing.cancel()
        await asyncio.wait([producing])

    producing = SESSION.run(SESSION.begin(produce()), on_interrupt=stop.set)
    try:
        while (outcome := SESSION.run(waiting.get(), on_interrupt=stop.set)) is not None:
            if isinstance(outcome, Exception):
                raise outcome
            yield outcome
    finally:
        if SESSION.is_running(producing):  # not if the program has ended, or in a forked child
            SESSION.run(leave(), on_interrupt=stop.set)


def _list_outcomes(
    requests: Sequence[ImageRequest], options: dict[str, Any], sandbox: bool
) -> list[RequestOutcome]:
    return list(_outcomes(requests, options, sandbox=sandbox))


class _Stop:
    """Ends a call after Ctrl-C: calls already sent are finished, and nothing more is sent."""

    def __init__(self) -> None:
        self.event = asyncio.Event()
        self._sent = False

    def follow(self, _: int, stage: Stage) -> None:
        self._sent = self._sent or stage is not Stage.CLAIMED

    def set(self) -> None:
        if self._sent:
            _LOG.warning("finishing what was sent; Ctrl-C again stops now")
        self.event.set()


def _check_no_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RuntimeError(
        "an event loop is running here, and this function would block it: "
        "use `async with Stills.from_env() as stills` and await stills.generate(...)"
    )
