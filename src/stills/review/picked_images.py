"""The images of a batch's folder, by generation: which are picked, and which are in it."""

from dataclasses import dataclass
from pathlib import Path

from stills.batch.image_files import REVIEW_NAME
from stills.batch.manifest import MANIFEST_NAME, read_manifest
from stills.review.review_file import read_review


@dataclass(frozen=True, slots=True)
class FolderImages:
    """The ids of generations: those that are `picked`, and `all` in the manifest."""

    picked: frozenset[str]
    all: frozenset[str]


def read_folder_images(folder: Path) -> FolderImages | None:
    """Read the review and the manifest of a folder; None if it is gone or has neither. Blocks.

    A pick counts even if a later run gave its take another image.

    Raises:
        InvalidRequest: one of them can't be read.
    """
    manifest = folder / MANIFEST_NAME
    if not manifest.exists() and not (folder / REVIEW_NAME).exists():
        return None
    picks = (shot.pick for shot in read_review(folder).shots.values())
    entries = read_manifest(manifest) if manifest.exists() else ()
    images = (entry.result.id for entry in entries if entry.result is not None)
    return FolderImages(
        picked=frozenset(_generation(pick.image) for pick in picks if pick is not None),
        all=frozenset(map(_generation, images)),
    )


def _generation(image_id: str) -> str:
    return image_id.partition("-")[0]
