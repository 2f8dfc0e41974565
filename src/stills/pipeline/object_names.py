"""File names of stored images, readable for people who open the folder."""

import re
import unicodedata

from stills.contract.file_names import is_word_character
from stills.contract.generation import GenerationSpec
from stills.contract.providers import SANDBOX, is_paid
from stills.contract.size import Size

_SLUG_MAX_BYTES = 60
_SLUG_MIN_BYTES = 30  # if cutting between words would leave less, a word is cut
_GENERATION_ID = re.compile(r"[0-9A-Za-z-]{1,64}")


def object_path(spec: GenerationSpec, generation_id: str, size: Size) -> str:
    """Name an image: `red-kite-1024x1024-seed1234-3f9a1c2b7d4e.png`, at most 200 bytes of UTF-8.

    Only images from the sandbox have names that start with `sandbox-`.
    """
    if _GENERATION_ID.fullmatch(generation_id) is None:
        raise ValueError(f"generation id {generation_id!r} can't be part of a file name")
    slug = _slug(spec.prompt)
    if not is_paid(spec.provider):
        slug = f"{spec.provider}-{slug}"
    elif slug.partition("-")[0] == SANDBOX.name:  # a word of the prompt
        slug = f"image-{slug}"
    return f"{slug}-{size.width}x{size.height}-seed{spec.seed}-{generation_id}.png"


def _slug(prompt: str) -> str:
    lower = unicodedata.normalize("NFC", unicodedata.normalize("NFC", prompt).lower())
    kept = "".join(character if is_word_character(character) else " " for character in lower)
    return _shorten("-".join(kept.split())) or "image"


def _shorten(slug: str) -> str:
    encoded = slug.encode()
    if len(encoded) <= _SLUG_MAX_BYTES:
        return slug
    cut = encoded[: _SLUG_MAX_BYTES + 1].decode(errors="ignore")
    words = cut.rpartition("-")[0]
    if len(words.encode()) >= _SLUG_MIN_BYTES:
        return words
    return encoded[:_SLUG_MAX_BYTES].decode(errors="ignore").rstrip("-")


_RENDITION = re.compile(r".*-([0-9]{1,8})x([0-9]{1,8})-seed[0-9]+-([0-9a-f]{12})\.png")


def read_object_path(path: str) -> tuple[str, Size] | None:
    """Return the generation id and size in a file name; None if it is not one of ours."""
    match = _RENDITION.fullmatch(path)
    return None if match is None else (match[3], Size(int(match[1]), int(match[2])))
