"""A thin synchronous façade for scripts; everything else is async."""

import asyncio

from stills.app import Stills
from stills.contract.request import ImageRequest
from stills.contract.result import ImageResult


def generate(
    request: ImageRequest, *, model: str | None = None, fresh: bool = False, sandbox: bool = False
) -> ImageResult:
    """Answer one request, as `Stills.from_env(sandbox=sandbox).generate(request)` does.

    Raises:
        StillsError: see stills.contract.errors.
        RuntimeError: called from within a running event loop; use `Stills` there.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        raise RuntimeError(
            "stills.generate blocks, and an event loop is running here: "
            "use `async with Stills.from_env() as stills` and await stills.generate(...)"
        )

    async def run() -> ImageResult:
        async with Stills.from_env(sandbox=sandbox) as stills:
            return await stills.generate(request, model=model, fresh=fresh)

    return asyncio.run(run())
