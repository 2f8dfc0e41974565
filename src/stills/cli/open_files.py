"""The limit on open files."""

import sys
from contextlib import suppress


def raise_open_files() -> None:
    """Raise the limit as far as the system allows: each connection of a server is an open file.

    A limit that can't be raised stays as it is.
    """
    if sys.platform == "win32":
        return
    import resource  # noqa: PLC0415 - Windows has none

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # macOS allows less than it says
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
