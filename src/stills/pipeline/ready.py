"""Load and open everything a call needs before it is sent, so that it can't fail afterwards."""

import os
from contextlib import ExitStack

from stills.contract.errors import LibraryFailed
from stills.contract.forked import check_libraries
from stills.pipeline.ports import Ports

# Two connections with DNS look-ups, the image's file and folder, and SQLite's temporary files.
_SPARE_FILES = 10


async def get_ready(ports: Ports) -> None:
    """Load libraries, open the store and the spool, and check that more files can be opened.

    Raises:
        ForkedProcess: a library can't be used in this process. Nothing was sent.
        LibraryFailed: something can't be loaded or opened. Nothing was sent.
        StoreRefused: the store or the spool can't be used. Nothing was sent.
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
            f"a library or file that a call needs can't be opened, so nothing was sent: {error}"
        ) from error


def _open_spare_files() -> None:
    with ExitStack() as opened:
        for _ in range(_SPARE_FILES):
            opened.callback(os.close, os.open(os.devnull, os.O_RDONLY))
