"""A search of the catalog, and its result."""

from collections.abc import Sequence
from dataclasses import dataclass

from stills.contract.generation import Image


@dataclass(frozen=True, slots=True)
class ImageSearch:
    """Conditions on images; None matches every image.

    `text` and each of `words` occur anywhere in the prompt, whatever their case. `model`,
    `provider`, `style`, `seed` and `prompt` match exactly. `since` and `before` limit when an image
    was generated, in Unix seconds. `older_than` and `newer_than` are ids of generations: with the
    second, a page has those that follow it, and no next page is known. `largest_only` leaves out
    all but the widest size of each generation.
    """

    text: str | None = None
    model: str | None = None
    provider: str | None = None
    style: str | None = None
    seed: int | None = None
    words: tuple[str, ...] = ()
    prompt: str | None = None
    since: float | None = None
    before: float | None = None
    older_than: str | None = None
    newer_than: str | None = None
    largest_only: bool = False


@dataclass(frozen=True, slots=True)
class ImagePage:
    """Images, newest generation first. `next_cursor` starts the next page; None on the last one."""

    images: Sequence[Image]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class ImageLabels:
    """What images can be searched by, in alphabetical order."""

    models: Sequence[str]
    styles: Sequence[str]
