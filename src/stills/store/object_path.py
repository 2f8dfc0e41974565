"""Valid object paths: relative, plain, and equal on every kind of store."""

import unicodedata


def check_object_path(path: str) -> None:
    """Reject a path that could leave the store or that stores could read differently.

    Raises:
        ValueError: the caller has a bug; no request can cause this.
    """
    segments = path.split("/")
    if any(segment in {"", ".", ".."} for segment in segments):
        raise ValueError(f"not a relative object path: {path!r}")
    for character in path:
        if character in "\\:#?%" or unicodedata.category(character) in {"Cc", "Cs"}:
            raise ValueError(f"{character!r} can't be part of an object path: {path!r}")
