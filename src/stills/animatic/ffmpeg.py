"""Finding and running ffmpeg."""

import subprocess
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from shutil import which

from stills.contract.errors import ToolFailed, ToolMissing

RUN_DEADLINE_SECONDS = 900.0
"""How long one run of ffmpeg may take."""

_ALWAYS = ("-hide_banner", "-nostdin", "-loglevel", "error", "-y")
_LAST_LINES = 5


def find_ffmpeg() -> str:
    """Find ffmpeg on the PATH, or else in the package imageio-ffmpeg.

    Raises:
        ToolMissing: it is in neither.
    """
    if found := which("ffmpeg"):
        return found
    try:
        exe: str = import_module("imageio_ffmpeg").get_ffmpeg_exe()
    except (ImportError, RuntimeError):
        raise ToolMissing(
            "ffmpeg was not found",
            action="Install it: `apt install ffmpeg`, `brew install ffmpeg`, "
            "or `pip install imageio-ffmpeg`.",
        ) from None
    return exe


def run_ffmpeg(
    program: str, arguments: Sequence[str], *, deadline_seconds: float, folder: Path | None = None
) -> str:
    """Run ffmpeg without a shell and without standard input, and return its output. Blocks.

    Relative file names are in `folder`.

    Raises:
        ToolFailed: it failed, could not be started, or took too long.
    """
    command = [program, *_ALWAYS, *arguments]
    try:
        ended = subprocess.run(  # noqa: S603 - no shell; every file name starts with file:
            command,
            capture_output=True,
            timeout=deadline_seconds,
            check=False,
            cwd=folder,
        )
    except subprocess.TimeoutExpired:
        raise ToolFailed(f"ffmpeg did not finish within {deadline_seconds:g} s") from None
    except OSError as error:
        raise ToolFailed(f"{program} can't be started: {error.strerror or error}") from error
    if ended.returncode != 0:
        last_lines = ended.stderr.decode(errors="replace").strip().splitlines()[-_LAST_LINES:]
        raise ToolFailed(
            f"ffmpeg failed with exit code {ended.returncode}: "
            f"{' / '.join(last_lines) or 'it printed no error'}"
        )
    return ended.stdout.decode(errors="replace")
