"""A film as an animated GIF, which runs in a mail or an issue."""

from collections.abc import Sequence
from pathlib import Path

from stills.animatic.ffmpeg import RUN_DEADLINE_SECONDS, run_ffmpeg

SIDE_MAX_PIXELS = 640
FPS_MAX = 10
"""A GIF counts hundredths of a second; what players do with faster ones differs."""


def write_gif(program: str, source: Sequence[str], output: Path, *, folder: Path, fps: int) -> None:
    """Write a GIF that repeats endlessly, in the 256 colours that the film needs most. Blocks.

    Raises:
        ToolFailed: ffmpeg fails.
    """
    small = (
        f"fps={min(fps, FPS_MAX)},scale='min({SIDE_MAX_PIXELS},iw)':'min({SIDE_MAX_PIXELS},ih)'"
        ":force_original_aspect_ratio=decrease:flags=lanczos"
    )
    palette = folder / "palette.png"
    find = [*source, "-vf", f"{small},palettegen", f"file:{palette}"]
    run_ffmpeg(program, find, deadline_seconds=RUN_DEADLINE_SECONDS)
    # Ordered dithering stays the same from frame to frame, so the file is small.
    use = (
        f"[0:v]{small}[small];[small][1:v]paletteuse=dither=bayer:bayer_scale=3:diff_mode=rectangle"
    )
    target = ["-loop", "0", "-f", "gif", f"file:{output}"]
    pictures = [*source, "-i", f"file:{palette}", "-filter_complex", use]
    run_ffmpeg(program, [*pictures, *target], deadline_seconds=RUN_DEADLINE_SECONDS)
