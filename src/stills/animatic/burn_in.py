"""The id of the shot and the timecode, written into the picture."""

import shutil
from pathlib import Path

from noto_cjk_sans_jp_regular import FONT_PATH

from stills.contract.size import Size
from stills.contract.timecode import format_timecode

_FONT, _TEXT = "font.otf", "shot.txt"
_LINE_FRACTION = 0.035  # of the height
_PIXELS_MIN = 8
_ID_MAX_CHARACTERS = 60


def burn_in_filter(folder: Path, shot_id: str, start: int, fps: int, size: Size) -> str:
    """Return the filters for a shot that starts at the frame `start`; each begins with a comma.

    The id is in a file in `folder`, where ffmpeg runs, so nothing in it can be an option. Blocks.
    """
    font = folder / _FONT
    if not font.exists():
        with FONT_PATH.open("rb") as source, font.open("wb") as copy:
            shutil.copyfileobj(source, copy)
    shown = shot_id[:_ID_MAX_CHARACTERS]
    line = "".join(one if one.isprintable() else " " for one in shown)
    (folder / _TEXT).write_text(line, encoding="utf-8")
    pixels = max(_PIXELS_MIN, round(size.height * _LINE_FRACTION))
    look = (
        f"fontfile={_FONT}:fontsize={pixels}:fontcolor=white:box=1:boxcolor=black@0.6"
        f":boxborderw={pixels // 4}:y=h-2*{pixels}"
    )
    timecode = format_timecode(start, fps).replace(":", r"\:")
    return (
        f",drawtext={look}:x={pixels}:textfile={_TEXT}:expansion=none"
        f",drawtext={look}:x=w-text_w-{pixels}:timecode='{timecode}':rate={fps}"
    )
