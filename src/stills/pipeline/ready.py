"""Ready: what a call needs is loaded and opened before it is sent, and so can't fail after."""

import os
from contextlib import ExitStack

from stills.contract.errors import LibraryFailed
from stills.contract.forked import check_libraries
from stills.pipeline.ports import Ports

# Two connections with the look-up of their names, the image's file and its folder, and what SQLite
# opens for a moment.
_SPARE_FILES = 10


async def get_ready(ports: Ports) -> None:
    """Load libraries, open the store and the spool, and see that more files can be opened.

    Raises:
        ForkedProcess: a library can't be used in this process; nothing was sent.
        LibraryFailed: something can't be loaded or opened; nothing was sent.
        StoreRefused: the store or the spool can't be used; nothing was sent.
    """
    check_libraries()
    try:
        await ports.provider.ready()
        await ports.imaging.ready()
        await ports.store.ready()
        await ports.spool.ready()
        _open_spare_files()
    except (ImportError, OSError) as error:
        raise LibraryFailed(
            f"what a call needs can't be loaded or opened, so nothing was sent: {error}"
        ) from error


def _open_spare_files() -> None:
    with ExitStack() as opened:
        for _ in range(_SPARE_FILES):
            opened.callback(os.close, os.open(os.devnull, os.O_RDONLY))
