"""The id of the shot, what is said in it, and the timecode, written into the picture."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from noto_cjk_sans_jp_regular import FONT_PATH

from stills.contract.ports.imaging import PngImage, TextLook
from stills.contract.size import Size
from stills.contract.timecode import format_timecode
from stills.review.film import Still

_FONT = "font.otf"
_LINE_FRACTION, _DIALOGUE_FRACTION = 0.035, 0.045  # of the height
_PIXELS_MIN = 8
_ID_WIDTH, _DIALOGUE_WIDTH = 0.55, 0.8  # of the width
_DIALOGUE_LINES = 4
_LINE_EMS = 1.45
_WHITE = (255, 255, 255)
_OPACITY = 0.6


@dataclass(frozen=True, slots=True)
class Caption:
    """The words of a shot as PNGs; `dialogue` is None if nothing is said."""

    shot_id: bytes
    dialogue: bytes | None


def draw_caption(
    still: Still, size: Size, draw_text: Callable[[str, TextLook], PngImage]
) -> Caption:
    """Draw the words of a shot for a film of this size. Blocks."""
    line = _line_pixels(size)
    look = TextLook(round(size.width * _ID_WIDTH), 2 * line, line, _WHITE, _OPACITY)
    shot_id = draw_text(still.shot_id, look)
    if still.picked.shot.dialogue is None:
        return Caption(shot_id.data, None)
    pixels = max(_PIXELS_MIN, round(size.height * _DIALOGUE_FRACTION))
    height = round(_DIALOGUE_LINES * _LINE_EMS * pixels)
    look = TextLook(round(size.width * _DIALOGUE_WIDTH), height, pixels, _WHITE, _OPACITY)
    dialogue = draw_text(still.picked.shot.dialogue, look)
    return Caption(shot_id.data, dialogue.data)


def write_caption(caption: Caption, folder: Path) -> list[Path]:
    """Write the pictures of a caption for `overlay_filter`, and the font. Blocks."""
    font = folder / _FONT
    if not font.exists():
        with FONT_PATH.open("rb") as source, font.open("wb") as copy:
            shutil.copyfileobj(source, copy)
    pictures = [caption.shot_id, *([caption.dialogue] if caption.dialogue else [])]
    files = [folder / f"caption{number}.png" for number in range(len(pictures))]
    for file, picture in zip(files, pictures, strict=True):
        file.write_bytes(picture)
    return files


def overlay_filter(pictures: int, start: int, fps: int, size: Size) -> str:
    """Return the filters that lay the pictures of a caption over a shot, and its timecode.

    The shot starts at the frame `start`. Its input is the label `shot`, and the pictures are the
    inputs after the first; relative file names are in the folder of `write_caption`.
    """
    pixels = _line_pixels(size)
    timecode = format_timecode(start, fps).replace(":", r"\:")
    places = (f"x={pixels}:y=H-h-{pixels}", f"x=(W-w)/2:y=H-h-{4 * pixels}")
    laid, shown = "", "shot"
    for number, place in enumerate(places[:pictures], start=1):
        laid += f"[{shown}][{number}:v]overlay={place}[with{number}];"
        shown = f"with{number}"
    return (
        f";{laid}[{shown}]drawtext=fontfile={_FONT}:fontsize={pixels}:fontcolor=white:box=1"
        f":boxcolor=black@{_OPACITY}:boxborderw={pixels // 3}:y=h-th-{pixels}-{pixels // 3}"
        f":x=w-text_w-{pixels}-{pixels // 3}:timecode='{timecode}':rate={fps}"
    )


def _line_pixels(size: Size) -> int:
    return max(_PIXELS_MIN, round(size.height * _LINE_FRACTION))
