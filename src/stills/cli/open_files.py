"""How many files a server may open."""

import sys
from contextlib import suppress


def raise_open_files() -> None:
    """Take what the system allows: each connection of a server is an open file.

    A limit that can't be raised stays, which a server has to live with.
    """
    if sys.platform == "win32":
        return
    import resource  # noqa: PLC0415 - Windows has none

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # macOS allows less than it says
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
