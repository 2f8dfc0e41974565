"""A running HTTP service in the test's process."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import uvicorn

from stills.app import Stills
from stills.http.access_log import set_up_logs
from stills.http.app import Mount, make_app
from stills.http.connection import Connection
from stills.http.settings import Settings


@contextlib.contextmanager
def json_logs() -> Iterator[None]:
    """Log as `stills serve --log-format json` does, until the block ends."""
    set_up_logs("json")
    try:
        yield
    finally:
        logging.getLogger().handlers.clear()
        logging.getLogger("stills.http").setLevel(logging.NOTSET)


@contextlib.asynccontextmanager
async def serving(
    stills: Stills,
    settings: Settings,
    *,
    mounts: Mapping[str, Mount] | None = None,
    **options: Any,
) -> AsyncIterator[str]:
    """Serve on a free port, with these uvicorn options; yields the host's URL."""
    config = uvicorn.Config(
        make_app(stills, settings, mounts=mounts),
        lifespan="on",
        log_config=None,
        access_log=False,
        ws="none",
        **{"http": Connection, **options},
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        running = asyncio.create_task(server.serve([listening]))
        while not server.started:
            assert not running.done(), "the service did not start"
            await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        await running
