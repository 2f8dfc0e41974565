"""The images of a batch's folder, by generation: which are picked, and which are in it."""

import os
from dataclasses import dataclass
from pathlib import Path

from stills.batch.image_files import IMAGES_FOLDER, REVIEW_NAME
from stills.batch.manifest import MANIFEST_NAME, read_manifest
from stills.review.review_file import read_review


@dataclass(frozen=True, slots=True)
class FolderImages:
    """The ids of generations: those that are `picked`, and `all` in the manifest."""

    picked: frozenset[str]
    all: frozenset[str]


def read_folder_images(folder: Path) -> FolderImages | None:
    """Read the review and the manifest of a folder; None if it is not there. Blocks.

    An empty folder may be the place of a disk that is not mounted, so it is not there either. A
    batch that was killed leaves images without a manifest.

    A pick counts even if a later run gave its take another image.

    Raises:
        InvalidRequest: one of them can't be read.
    """
    manifest = folder / MANIFEST_NAME
    names = (MANIFEST_NAME, REVIEW_NAME, IMAGES_FOLDER)
    # Path.exists would raise an error for a folder that may not be read.
    if not any(os.path.exists(folder / name) for name in names):  # noqa: PTH110
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
