"""Addresses of stored images that name their id."""

import re
from urllib.parse import urlsplit

from stills.contract.addresses import is_this_machine

URI_PREFIX = "stills://images/"

_ID = re.compile(r"[0-9a-f]{12}-[1-9][0-9]{0,4}x[1-9][0-9]{0,4}", re.ASCII)
_IMAGE_PATH = re.compile(r"(.*)/images/([^/]+)\.png", re.ASCII)


def image_uri(image_id: str) -> str:
    """Return the URI of a stored image, which is the same for every front end."""
    return f"{URI_PREFIX}{image_id}"


def served_image_url(public_url: str, image_id: str) -> str:
    """Return where `stills serve` at `public_url` shows a stored image."""
    return f"{public_url}/images/{image_id}.png"


def web_image_url(link: str, image_id: str, public_url: str | None) -> str:
    """Return where an image opens on another machine: its link, or else our service if it has one.

    Without either, it is the link, such as a file URL.
    """
    if public_url is None or link.startswith(("https://", "http://")):
        return link
    return served_image_url(public_url, image_id)


def is_image_id(text: str) -> bool:
    """Return whether text has the form of an image's id, such as `3f9a1c2b7d4e-1024x1024`."""
    return _ID.fullmatch(text) is not None


def read_image_address(address: str, public_url: str | None = None) -> str | None:
    """Return the id in the address of a stored image; None for any other address.

    It may be an id, a `stills://images/` URI, or a URL under which `stills serve` answers:
    `public_url`, or this machine's own addresses.
    """
    if is_image_id(address):
        return address
    if address[: len(URI_PREFIX)].lower() == URI_PREFIX:
        return address[len(URI_PREFIX) :]
    if address[:4].lower() != "http":
        return None
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
    except ValueError:
        return None
    match = _IMAGE_PATH.fullmatch(parts.path)
    if match is None or not is_image_id(match[2]):
        return None
    base = f"{parts.scheme}://{parts.netloc}{match[1]}"
    is_ours = base == public_url or (is_this_machine(host) and not match[1])
    return match[2] if is_ours else None
