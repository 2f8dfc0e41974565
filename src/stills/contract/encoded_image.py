"""Images written as text: data URLs as encoders write them, and bare base64."""

import base64
import binascii
import re
from urllib.parse import unquote_to_bytes

from stills.contract.errors import InvalidReference
from stills.contract.image_kinds import HEAD_BYTES, find_kind

BASE64_MIN = 64
"""How many characters of base64 may be an image: fewer hold none, and may be a path."""

_DATA_URL = re.compile(r"data:|image/[\w.+-]+;base64,", re.ASCII | re.IGNORECASE)
_BASE64 = re.compile(r"[A-Za-z0-9+/]+", re.ASCII)
_START_CHARACTERS = 400
_ACTION = "Encode the file's bytes as base64 after data:image/png;base64, or give its URL or bytes."


def is_data_url(text: str) -> bool:
    """Return whether text is a data URL, or one whose `data:` was left out."""
    return _DATA_URL.match(text) is not None


def is_base64_image(text: str) -> bool:
    """Return whether text starts as the base64 of an image does, with nothing else in its start."""
    start = _compact(text[:_START_CHARACTERS]).rstrip("=")
    if len(start) < BASE64_MIN or _BASE64.fullmatch(start) is None:
        return False
    head = base64.b64decode(start[:BASE64_MIN])
    return find_kind(head[:HEAD_BYTES]) is not None


def decode_data_url(url: str) -> bytes:
    """Return the bytes of a data URL.

    Line breaks, the URL-safe alphabet, missing padding, percent-encoding, further parameters and a
    missing media type are accepted.

    Raises:
        InvalidReference: it has no data, or data that can't be decoded.
    """
    head, comma, body = url.partition(",")
    if not comma:
        raise InvalidReference(
            "reference_image is a data URL without a comma before its data",
            field="reference_image",
            action=_ACTION,
        )
    parameters = [one.strip().lower() for one in head.partition(":")[2].split(";")]
    if "base64" in parameters or not head.lower().startswith("data:"):
        return decode_base64(body)
    return unquote_to_bytes(body)


def decode_base64(text: str) -> bytes:
    """Return the bytes of base64 text.

    Raises:
        InvalidReference: it is not base64.
    """
    if "%" in text:
        text = unquote_to_bytes(text).decode("latin-1")
    compact = _compact(text).rstrip("=")
    try:
        return base64.b64decode(compact + "=" * (-len(compact) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidReference(
            "reference_image has invalid base64", field="reference_image", action=_ACTION
        ) from None


def _compact(text: str) -> str:
    """Return base64 on one line and in the usual alphabet."""
    return "".join(text.split()).replace("-", "+").replace("_", "/")
