"""File URLs as paths, the same bytes in every locale."""

import os
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit


def is_local_file_url(url: str) -> bool:
    """Return whether it is a `file://` URL of this machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return False
    return parts.scheme == "file" and host in (None, "", "localhost")


def file_path(url: str) -> Path:
    """Return the path of a `file://` URL."""
    path = urlsplit(url).path
    if os.name != "posix":
        from urllib.request import url2pathname  # noqa: PLC0415 - loads http and email

        return Path(url2pathname(path))
    return Path(os.fsdecode(unquote_to_bytes(path)))  # url2pathname assumes UTF-8
