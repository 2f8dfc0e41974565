"""`stills open`: show a stored image in the default viewer."""

import argparse
import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path, PurePosixPath

from stills.app import Stills
from stills.batch.image_files import local_file
from stills.cli.screen import why_no_screen
from stills.contract.errors import ToolFailed
from stills.contract.generation import Image

_PATIENCE_SECONDS = 3.0  # a viewer that runs longer than this has opened
_OPENERS = {"darwin": "open"}
_OPENER = "xdg-open"


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    file = asyncio.run(_find_file(options.id))
    print(file, flush=True)
    problem = why_no_screen() or _show(file)
    if problem is not None:
        print(f"not opened, because {problem}; the image is at the path above", file=sys.stderr)
    return 0


async def _find_file(prefix: str) -> Path:
    """Return a file with the image: the stored one, or a copy of one in a bucket.

    Raises:
        StillsError: there is no such image, or it can't be read.
    """
    async with Stills.from_catalog() as stills:
        image = (await stills.images.show(prefix)).image
        data = await stills.images.read(image)  # also renders a lost size again
        stored = local_file(stills.images.url(image))
        return await asyncio.to_thread(_copy, image, data) if stored is None else stored


def _copy(image: Image, data: bytes) -> Path:
    folder = tempfile.mkdtemp(prefix="stills-")  # stays, because the viewer reads it later
    file = Path(folder, PurePosixPath(image.rendition.object_path).name)
    file.write_bytes(data)
    return file


def _show(file: Path) -> str | None:
    """Start the viewer; return why there is none.

    Raises:
        ToolFailed: it can't show the image.
    """
    if sys.platform == "win32":
        os.startfile(file)  # noqa: S606 - its program is what the user chose for images
        return None
    opener = shutil.which(_OPENERS.get(sys.platform, _OPENER))
    if opener is None:
        return f"{_OPENER} is not installed"
    # In a session of its own, because the viewer outlives this process and its terminal.
    started = subprocess.Popen(  # noqa: S603 - no shell, and the path is absolute
        [opener, file],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        code = started.wait(timeout=_PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        started.returncode = 0  # it is the viewer itself, which nobody waits for
        return None
    if code:
        raise ToolFailed(
            f"{Path(opener).name} can't show the image: exit code {code}",
            action=f"Open {file} in a program of your choice.",
        )
    return None
