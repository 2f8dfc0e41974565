"""One shot of a film, as a clip without sound."""

from dataclasses import dataclass
from pathlib import Path

from stills.animatic.burn_in import Caption, overlay_filter, write_caption
from stills.animatic.ffmpeg import RUN_DEADLINE_SECONDS, run_ffmpeg
from stills.animatic.mask import mask_filter
from stills.contract.errors import ToolFailed
from stills.contract.size import Size
from stills.review.film import Still

_ZOOM = 0.12
# The focus of each zoom, as fractions from the left and the top, used in rotation.
_FOCUS_POINTS = ((0.5, 0.4), (0.85, 0.5), (0.15, 0.5), (0.5, 0.7))
# The images are sRGB; players interpret video without colour tags in different ways.
_COLOUR = (
    "-colorspace", "bt709",
    "-color_primaries", "bt709",
    "-color_trc", "bt709",
    "-color_range", "tv",
)  # fmt: skip
# Without B-frames, clips start at time zero and join without a gap.
_ENCODER = (
    "-c:v", "libx264",
    "-preset", "veryfast",
    "-tune", "stillimage",
    "-crf", "18",
    "-bf", "0",
    "-pix_fmt", "yuv420p",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Clip:
    """A shot of a film: its `number` from 0, and the frame at which it starts."""

    still: Still
    number: int
    start: int
    size: Size
    fps: int


def encode_clip(
    program: str,
    clip: Clip,
    output: Path,
    *,
    ken_burns: bool,
    mask: float | None,
    caption: Caption | None,
) -> None:
    """Encode a shot; its image is only ever read as a PNG, whatever it contains. Blocks.

    Raises:
        ToolFailed: ffmpeg can't read the image, or fails for another reason; the shot is named.
    """
    still, size, fps = clip.still, clip.size, clip.fps
    pictures = [still.file]
    effects = _ken_burns(clip) if ken_burns else ""
    effects += mask_filter(mask, size) if mask is not None else ""
    effects += "[shot]" if caption is not None else ""
    if caption is not None:
        captions = write_caption(caption, output.parent)
        pictures += captions
        effects += overlay_filter(len(captions), clip.start, fps, size)
    filters = (
        f"[0:v]scale={size.width}:{size.height}:force_original_aspect_ratio=decrease:flags=lanczos"
        f":out_color_matrix=bt709:out_range=tv,pad={size.width}:{size.height}:-1:-1,setsar=1,"
        f"format=yuv420p,loop={still.frames - 1}:1,setpts=N/({fps}*TB){effects}"
    )
    sources: list[str] = []
    for picture in pictures:
        sources += ["-protocol_whitelist", "file", "-f", "png_pipe", "-i", f"file:{picture}"]
    target = ["-r", str(fps), "-frames:v", str(still.frames), "-f", "mp4", f"file:{output}"]
    try:
        run_ffmpeg(
            program,
            [*sources, "-filter_complex", filters, *_ENCODER, *_COLOUR, *target],
            deadline_seconds=RUN_DEADLINE_SECONDS,
            folder=output.parent,
        )
    except ToolFailed as error:
        raise ToolFailed(f"shot {still.shot_id!r}: {error.message}") from None


def _ken_burns(clip: Clip) -> str:
    """Zoom slowly: in on one shot, out on the next.

    ffmpeg's zoompan moves by whole pixels; its perspective filter moves smoothly.
    """
    size = clip.size
    done = f"(on/{max(clip.still.frames - 1, 1)})"
    eased = f"(1-cos(PI*{done}))/2" if clip.number % 2 == 0 else f"(1+cos(PI*{done}))/2"
    lost = f"({_ZOOM}/(1+{_ZOOM})*{eased})"
    right, down = _FOCUS_POINTS[clip.number % len(_FOCUS_POINTS)]
    x, y = f"{size.width}*{lost}", f"{size.height}*{lost}"
    left, top = f"{x}*{right}", f"{y}*{down}"
    end, bottom = f"{size.width}-{x}*{1 - right:g}", f"{size.height}-{y}*{1 - down:g}"
    corners = (left, top, end, top, left, bottom, end, bottom)
    names = ("x0", "y0", "x1", "y1", "x2", "y2", "x3", "y3")
    positions = ":".join(f"{name}={at}" for name, at in zip(names, corners, strict=True))
    return f",perspective={positions}:interpolation=cubic:sense=source:eval=frame"
