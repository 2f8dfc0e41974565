"""The film that a new one would replace."""

import re
from pathlib import Path

from stills.animatic.ffmpeg import run_ffmpeg
from stills.contract.errors import OutputRefused, ToolFailed

_DEADLINE_SECONDS = 60.0
_TOLERANCE_SECONDS = 0.2
_ENDED = re.compile(r"^out_time_us=([0-9]+)$", re.MULTILINE)


def check_not_longer(program: str, film: Path, seconds: float) -> None:
    """Check that a film is not longer than `seconds`. A file of another kind passes. Blocks.

    Raises:
        OutputRefused: it is longer.
    """
    read = ["-protocol_whitelist", "file,pipe", "-i", f"file:{film.absolute()}", "-map", "0:v:0"]
    count = ["-c", "copy", "-progress", "pipe:1", "-f", "null", "-"]
    try:
        progress = run_ffmpeg(program, [*read, *count], deadline_seconds=_DEADLINE_SECONDS)
    except ToolFailed:
        return
    ended = [int(found) / 1_000_000 for found in _ENDED.findall(progress)]
    if ended and ended[-1] > seconds + _TOLERANCE_SECONDS:
        raise OutputRefused(
            f"{film} is longer than the new film, which has {seconds:.1f} s",
            action="Use another name, or --force to replace it.",
        )
