"""File URLs as paths, the same bytes in every locale."""

import os
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit


def file_path(url: str) -> Path:
    """Return the path of a `file://` URL."""
    path = urlsplit(url).path
    if os.name != "posix":
        from urllib.request import url2pathname  # noqa: PLC0415 - loads http and email

        return Path(url2pathname(path))
    return Path(os.fsdecode(unquote_to_bytes(path)))  # url2pathname assumes UTF-8
