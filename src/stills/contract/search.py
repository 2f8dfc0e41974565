"""What of the catalog a caller wants to see."""

from collections.abc import Sequence
from dataclasses import dataclass

from stills.contract.generation import Image


@dataclass(frozen=True, slots=True)
class ImageSearch:
    """Which images are wanted; what is None does not matter.

    `text` is anywhere in the prompt, in upper or lower case (of ASCII letters); the others are
    exact.
    """

    text: str | None = None
    model: str | None = None
    provider: str | None = None
    style: str | None = None
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class ImagePage:
    """Images, the newest generation first; `next_cursor` is where the next page begins."""

    images: Sequence[Image]
    next_cursor: str | None
