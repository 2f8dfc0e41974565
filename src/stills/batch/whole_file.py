"""Files that appear whole or not at all."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stills.contract.errors import OutputRefused


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give the path of a part file that takes the place of `path` when the body is through.

    Raises:
        OutputRefused: the system refused to write here.
    """
    part = path.with_name(f".{secrets.token_hex(8)}.part")
    with refusing(path):
        if path.is_dir():
            raise IsADirectoryError(21, "it is a directory")
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield part
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


@contextmanager
def refusing(path: Path) -> Iterator[None]:
    """Turn what the system raises into OutputRefused."""
    try:
        yield
    except OSError as error:
        raise OutputRefused(f"{path} can't be written: {error.strerror or error}") from error
