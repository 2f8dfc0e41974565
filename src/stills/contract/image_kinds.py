"""Kinds of image files, by their first bytes."""

import codecs
from enum import StrEnum

HEAD_BYTES = 32
"""How many bytes of a file are enough to know its kind."""

_BMP_HEADERS = frozenset({12, 40, 52, 56, 64, 108, 124})  # sizes of all versions, in bytes
_OTHER_KINDS = {
    b"8BPS": "a Photoshop file",
    b"%PDF": "a PDF",
    b"PK\x03\x04": "a ZIP archive",
}


class ImageKind(StrEnum):
    """The kinds of image that can serve as a reference, as media types."""

    PNG = "image/png"
    JPEG = "image/jpeg"
    WEBP = "image/webp"
    GIF = "image/gif"
    BMP = "image/bmp"
    TIFF = "image/tiff"


_SIGNATURES = {
    b"\x89PNG\r\n\x1a\n": ImageKind.PNG,
    b"\xff\xd8\xff": ImageKind.JPEG,
    b"RIFF": ImageKind.WEBP,
    b"GIF87a": ImageKind.GIF,
    b"GIF89a": ImageKind.GIF,
    b"II*\0": ImageKind.TIFF,
    b"MM\0*": ImageKind.TIFF,
    b"BM": ImageKind.BMP,
}


def find_kind(head: bytes) -> ImageKind | None:
    """Return the kind of an image by its first `HEAD_BYTES`; None for another file."""
    for signature, kind in _SIGNATURES.items():
        if head.startswith(signature):
            return kind if _is_confirmed(kind, head) else None
    return None


def describe_other(data: bytes) -> str:
    """Name the kind of another file without quoting it, because it may be any file."""
    if not data:
        return "empty"
    for signature, name in _OTHER_KINDS.items():
        if data.startswith(signature):
            return name
    if data[4:8] == b"ftyp":
        return "a HEIC or AVIF image, or a video"
    if _is_text(data[:1024]):
        return "text"
    return "of an unknown type"


def _is_confirmed(kind: ImageKind, head: bytes) -> bool:
    """Return whether the bytes after a signature that other files share are right too."""
    if kind is ImageKind.WEBP:
        return head[8:12] == b"WEBP"
    if kind is ImageKind.BMP:
        return int.from_bytes(head[14:18], "little") in _BMP_HEADERS
    return True


def _is_text(head: bytes) -> bool:
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return all(character.isprintable() or character.isspace() for character in text)
