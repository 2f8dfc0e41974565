"""Hand a film over as one file or folder, written completely or not at all."""

import secrets
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

from stills.contract.atomic_file import as_output_error, check_writable, replace_atomically
from stills.contract.errors import OutputRefused
from stills.handover.numbered_images import check_only_frames, write_frames, write_zip
from stills.handover.pictures import Pictures
from stills.handover.storyboard import write_storyboard
from stills.handover.table import write_csv
from stills.handover.timeline import write_timeline
from stills.review.film import Film

FRAMES = "frames"
PDF = "pdf"

_WRITERS: dict[str, Callable[[Film, Path], None]] = {
    "otio": partial(write_timeline, form="otio"),
    "fcpxml": partial(write_timeline, form="fcpxml"),
    "edl": partial(write_timeline, form="edl"),
    "zip": write_zip,
    "csv": write_csv,
}


def choose_output(film: Film, form: str) -> Path:
    """Return where a film is written unless the user says so: `film.otio`, `film-frames`."""
    name = film.folder.resolve().name.removesuffix("-stills") or "film"
    return Path(f"{name}-frames" if form == FRAMES else f"{name}.{form}")


def check_output(output: Path, form: str, *, force: bool) -> None:
    """Check that the output is free, or may be replaced. Blocks.

    Raises:
        OutputRefused: it exists and `force` is false, or it can't be written.
    """
    if output.exists() and not force:
        raise OutputRefused(f"{output} exists", action="Use --force to replace it, or -o.")
    if form != FRAMES or not output.is_dir():
        check_writable(output)
    if form == FRAMES and output.exists():
        if not output.is_dir():
            raise OutputRefused(f"{output} is not a folder", action="Choose another name with -o.")
        check_only_frames(output)


def export(film: Film, output: Path, form: str, pictures: Pictures | None = None) -> None:
    """Write the film; what is there is replaced. Blocks.

    Only a storyboard needs `pictures`.

    Raises:
        DamagedImage: an image of a storyboard can't be decoded.
        InvalidRequest: the format can't hold this film.
        OutputRefused: the output can't be written.
        ToolMissing: a library of `stills[handover]` is not installed.
    """
    if form == FRAMES:
        _replace_folder(film, output)
        return
    with replace_atomically(output) as part:
        if pictures is not None:
            write_storyboard(film, pictures, part)
        else:
            _WRITERS[form](film, part)


def _replace_folder(film: Film, output: Path) -> None:
    part = output.with_name(f".{secrets.token_hex(8)}.part")
    old = output.with_name(f".{secrets.token_hex(8)}.old")
    with as_output_error(output):
        output.parent.mkdir(parents=True, exist_ok=True)
        try:
            write_frames(film, part)
            if output.exists():
                output.rename(old)
            part.rename(output)
        finally:
            shutil.rmtree(part, ignore_errors=True)
            if old.exists() and not output.exists():
                old.rename(output)
            shutil.rmtree(old, ignore_errors=True)
