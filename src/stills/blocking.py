"""The synchronous facade, for scripts."""

import asyncio
import logging

from stills.app import Stills
from stills.contract.forked import has_lost_libraries
from stills.contract.generation import Stage
from stills.contract.request import ImageRequest
from stills.contract.result import ImageResult
from stills.fresh_process import run_in_fresh_process

_LOG = logging.getLogger("stills")


def generate(
    request: ImageRequest, *, model: str | None = None, fresh: bool = False, sandbox: bool = False
) -> ImageResult:
    """Answer one request, as `Stills.from_env(sandbox=sandbox).generate(request)` does.

    In a process that was forked after its parent generated an image, such as a worker of Celery,
    the request is answered in a new process, because libvips does not work after a fork.

    After Ctrl-C, a request that was already sent is finished and its image stored, so a retry is
    free. A second Ctrl-C stops immediately.

    Raises:
        KeyboardInterrupt: Ctrl-C, once or twice.
        StillsError: see stills.contract.errors.
        RuntimeError: called from within a running event loop; use `Stills` there.
    """
    (result,) = _generate(request, 1, model=model, fresh=fresh, sandbox=sandbox)
    return result


def generate_takes(
    request: ImageRequest,
    *,
    takes: int,
    model: str | None = None,
    fresh: bool = False,
    sandbox: bool = False,
) -> tuple[ImageResult, ...]:
    """Answer one request with several images, as `Stills.generate_takes` does.

    Forked processes and Ctrl-C are handled as in `generate`.

    Raises:
        KeyboardInterrupt: Ctrl-C, once or twice.
        StillsError: see stills.contract.errors.
        RuntimeError: called from within a running event loop; use `Stills` there.
    """
    return _generate(request, takes, model=model, fresh=fresh, sandbox=sandbox)


def _generate(
    request: ImageRequest, takes: int, *, model: str | None, fresh: bool, sandbox: bool
) -> tuple[ImageResult, ...]:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        raise RuntimeError(
            "stills.generate blocks, and an event loop is running here: "
            "use `async with Stills.from_env() as stills` and await stills.generate(...)"
        )

    if has_lost_libraries():
        results: tuple[ImageResult, ...] = run_in_fresh_process(
            _generate, request, takes, model=model, fresh=fresh, sandbox=sandbox
        )
        return results
    sent = False

    def follow(_: int, stage: Stage) -> None:
        nonlocal sent
        sent = sent or stage is not Stage.CLAIMED

    async def run() -> tuple[ImageResult, ...]:
        stop = asyncio.Event()
        async with Stills.from_env(sandbox=sandbox) as stills:
            try:
                return await stills.generate_takes(
                    request, takes=takes, model=model, fresh=fresh, stop=stop, on_stage=follow
                )
            except asyncio.CancelledError:  # asyncio.run does this on Ctrl-C
                stop.set()
                if sent:
                    _LOG.warning("finishing the request that was sent; Ctrl-C again stops now")
                await stills.drain()
                raise

    return asyncio.run(run())
