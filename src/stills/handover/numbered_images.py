"""The images of a film, named by their place in it: `0001_1A.png`, as a folder or a zip file."""

import re
import shutil
import zipfile
from pathlib import Path, PurePosixPath

from stills.batch.image_files import ImageNames
from stills.batch.manifest import MANIFEST_NAME
from stills.contract.errors import OutputRefused
from stills.handover.table import make_csv
from stills.review.film import Film

_DIGITS_MIN = 4
_NUMBERED = re.compile(r"[0-9]{4,}_.+\.png")
_IMAGES, _TABLE = "images", "shots.csv"


def number_files(film: Film) -> list[str]:
    """Return the names of the images, which sort in the order of the film."""
    ids = [still.shot_id for still in film.stills]
    names = ImageNames(ids)
    digits = max(_DIGITS_MIN, len(str(len(ids))))
    stems = (PurePosixPath(names.path(shot_id)).name for shot_id in ids)
    return [f"{number:0{digits}}_{stem}" for number, stem in enumerate(stems, start=1)]


def write_frames(film: Film, folder: Path) -> None:
    """Copy the images to a new folder. Blocks."""
    folder.mkdir()
    for still, name in zip(film.stills, number_files(film), strict=True):
        shutil.copyfile(still.file, folder / name)


def check_only_frames(folder: Path) -> None:
    """Check that a folder has only what `write_frames` writes, because it will be removed.

    Raises:
        OutputRefused: it has other files.
    """
    for path in folder.iterdir():
        if not _NUMBERED.fullmatch(path.name):
            raise OutputRefused(
                f"{folder} has other files, such as {path.name}",
                action="Choose another folder; --force only replaces numbered frames.",
            )


def write_zip(film: Film, output: Path) -> None:
    """Write the images, the table of shots and the manifest of the batch. Blocks."""
    files = [f"{_IMAGES}/{name}" for name in number_files(film)]
    # PNGs don't get smaller.
    with zipfile.ZipFile(output, "w", strict_timestamps=False) as archive:
        archive.writestr(_TABLE, make_csv(film, files), zipfile.ZIP_DEFLATED)
        archive.write(film.manifest, MANIFEST_NAME, zipfile.ZIP_DEFLATED)
        for still, name in zip(film.stills, files, strict=True):
            archive.write(still.file, name)
