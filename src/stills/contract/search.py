"""A search of the catalog, and its result."""

from collections.abc import Sequence
from dataclasses import dataclass

from stills.contract.generation import Image


@dataclass(frozen=True, slots=True)
class ImageSearch:
    """Conditions on images; None matches every image.

    `text` occurs anywhere in the prompt, ignoring the case of ASCII letters. The others match
    exactly.
    """

    text: str | None = None
    model: str | None = None
    provider: str | None = None
    style: str | None = None
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class ImagePage:
    """Images, newest generation first. `next_cursor` starts the next page; None on the last one."""

    images: Sequence[Image]
    next_cursor: str | None
