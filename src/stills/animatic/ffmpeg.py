"""The program ffmpeg: where it is, and what it says when it fails."""

import subprocess
from collections.abc import Sequence
from importlib import import_module
from shutil import which

from stills.contract.errors import ToolFailed, ToolMissing

_ALWAYS = ("-hide_banner", "-nostdin", "-loglevel", "error", "-y")
_LAST_LINES = 5


def find_ffmpeg() -> str:
    """Find ffmpeg on the PATH, else the one in PyPI's imageio-ffmpeg.

    Raises:
        ToolMissing: there is neither.
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


def run_ffmpeg(program: str, arguments: Sequence[str], *, deadline_seconds: float) -> None:
    """Run ffmpeg to its end; no shell, and no standard input.

    Raises:
        ToolFailed: it ended with an error, could not be started, or took too long.
    """
    command = [program, *_ALWAYS, *arguments]
    try:
        ended = subprocess.run(  # noqa: S603 - no shell; every name is ours or behind file:
            command, capture_output=True, timeout=deadline_seconds, check=False
        )
    except subprocess.TimeoutExpired:
        raise ToolFailed(f"ffmpeg did not end within {deadline_seconds:g} s") from None
    except OSError as error:
        raise ToolFailed(f"{program} can't be started: {error.strerror or error}") from error
    if ended.returncode != 0:
        said = ended.stderr.decode(errors="replace").strip().splitlines()[-_LAST_LINES:]
        raise ToolFailed(
            f"ffmpeg ended with code {ended.returncode}: {' / '.join(said) or 'it said nothing'}"
        )
