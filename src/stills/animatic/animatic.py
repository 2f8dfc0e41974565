"""The animatic: the images of a manifest as a video, one shot after the other.

Each shot is encoded separately, and the clips are joined without encoding them again. So memory
does not grow with the number of shots, each image is decoded once, and an error names its shot.
"""

import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from stills.animatic.ffmpeg import find_ffmpeg, run_ffmpeg
from stills.contract.atomic_file import check_writable, replace_atomically
from stills.contract.errors import ImageMissing, InvalidRequest, ToolFailed
from stills.contract.size import Size
from stills.review.picked_frames import PickedFrame, read_picked_frames

SHOT_MAX_SECONDS = 600.0
FPS_MAX = 120
RUN_DEADLINE_SECONDS = 900.0
"""How long one run of ffmpeg may take."""

_PNG_HEAD = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
_SIDE_MIN_PIXELS = 2
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
class Still:
    """One shot's image, and the number of frames it is shown for."""

    shot_id: str
    file: Path
    size: Size
    frames: int


@dataclass(frozen=True, slots=True)
class Animatic:
    """The shots of a video.

    `left_out` are the ids of shots without an image, `rejected` those of shots whose images are all
    rejected.
    """

    stills: Sequence[Still]
    left_out: Sequence[str]
    size: Size
    fps: int
    rejected: Sequence[str] = ()

    @property
    def seconds(self) -> float:
        """Its duration in seconds."""
        return sum(still.frames for still in self.stills) / self.fps


def plan_animatic(manifest: Path, *, seconds_per_shot: float = 3.0, fps: int = 24) -> Animatic:
    """Read a manifest, or the one in a folder, and the sizes of its images.

    Each shot has its picked frame, for its `duration_seconds`, or for `seconds_per_shot`. The video
    has the most common size of the images. Portraits of the cast are not in it.

    Raises:
        InvalidRequest: the manifest or an option is invalid, or no shot has an image.
        ImageMissing: an image is not where the manifest says.
    """
    _check_option("seconds per shot", seconds_per_shot, SHOT_MAX_SECONDS)
    _check_option("frames per second", fps, FPS_MAX)
    stills: list[Still] = []
    left_out: list[str] = []
    rejected: list[str] = []
    ends_at = 0.0
    for frame in read_picked_frames(manifest):
        if frame.file is None:
            (rejected if frame.is_rejected else left_out).append(frame.shot.id)
            continue
        starts_at, ends_at = ends_at, ends_at + _seconds(frame, seconds_per_shot)
        # Round the absolute times, so that rounding errors do not add up over many shots.
        frames = max(1, round(ends_at * fps) - round(starts_at * fps))
        stills.append(_still(frame, frame.file, frames))
    if not stills:
        raise InvalidRequest(f"{manifest} has no shot with an image", action="Run the batch first.")
    return Animatic(stills, left_out, _most_common_size(stills), fps, rejected)


def make_animatic(
    animatic: Animatic,
    output: Path,
    *,
    ken_burns: bool = False,
    on_shot: Callable[[int], None] = lambda _: None,
) -> None:
    """Write the video: H.264 in an MP4 file. Blocks; `on_shot` gets the number of finished shots.

    Raises:
        InvalidRequest: the output's name does not end in .mp4.
        ToolMissing: ffmpeg was not found.
        ToolFailed: ffmpeg can't read an image, or fails for another reason.
        OutputRefused: the output can't be written.
    """
    if output.suffix.lower() != ".mp4":
        raise InvalidRequest(
            f"{output} does not end in .mp4", field="output", action="Use a name such as film.mp4."
        )
    program = find_ffmpeg()
    check_writable(output)
    with (
        replace_atomically(output) as part,
        tempfile.TemporaryDirectory(dir=output.parent, prefix=".animatic-") as clips,
    ):
        folder = Path(clips)
        for number, still in enumerate(animatic.stills):
            move = _ken_burns(number, still.frames, animatic.size) if ken_burns else ""
            _encode(program, still, animatic, move, folder / f"{number}.mp4")
            on_shot(number + 1)
        _join(program, folder, len(animatic.stills), part)


def _encode(program: str, still: Still, animatic: Animatic, move: str, clip: Path) -> None:
    """Encode one shot; the image is only ever read as a PNG, whatever it contains."""
    width, height = animatic.size
    filters = (
        f"scale={width}:{height}:force_original_aspect_ratio=decrease:flags=lanczos"
        f":out_color_matrix=bt709:out_range=tv,pad={width}:{height}:-1:-1,setsar=1,"
        f"format=yuv420p,loop={still.frames - 1}:1,setpts=N/({animatic.fps}*TB){move}"
    )
    source = ["-protocol_whitelist", "file", "-f", "png_pipe", "-i", f"file:{still.file}"]
    target = ["-r", str(animatic.fps), "-frames:v", str(still.frames), "-f", "mp4", f"file:{clip}"]
    try:
        run_ffmpeg(
            program,
            [*source, "-vf", filters, *_ENCODER, *_COLOUR, *target],
            deadline_seconds=RUN_DEADLINE_SECONDS,
        )
    except ToolFailed as error:
        raise ToolFailed(f"shot {still.shot_id!r}: {error.message}") from None


def _join(program: str, folder: Path, clips: int, output: Path) -> None:
    names = folder / "clips.txt"
    names.write_text("".join(f"file {number}.mp4\n" for number in range(clips)))
    source = ["-f", "concat", "-i", f"file:{names}"]
    target = ["-c", "copy", "-movflags", "+faststart", "-f", "mp4", f"file:{output}"]
    run_ffmpeg(program, [*source, *target], deadline_seconds=RUN_DEADLINE_SECONDS)


def _ken_burns(number: int, frames: int, size: Size) -> str:
    """Zoom slowly: in on one shot, out on the next.

    ffmpeg's zoompan moves by whole pixels; its perspective filter moves smoothly.
    """
    done = f"(on/{max(frames - 1, 1)})"
    eased = f"(1-cos(PI*{done}))/2" if number % 2 == 0 else f"(1+cos(PI*{done}))/2"
    lost = f"({_ZOOM}/(1+{_ZOOM})*{eased})"
    right, down = _FOCUS_POINTS[number % len(_FOCUS_POINTS)]
    x, y = f"{size.width}*{lost}", f"{size.height}*{lost}"
    left, top = f"{x}*{right}", f"{y}*{down}"
    end, bottom = f"{size.width}-{x}*{1 - right:g}", f"{size.height}-{y}*{1 - down:g}"
    corners = (left, top, end, top, left, bottom, end, bottom)
    names = ("x0", "y0", "x1", "y1", "x2", "y2", "x3", "y3")
    positions = ":".join(f"{name}={at}" for name, at in zip(names, corners, strict=True))
    return f",perspective={positions}:interpolation=cubic:sense=source:eval=frame"


def _still(frame: PickedFrame, file: Path, frames: int) -> Still:
    """Read the size of an image from its first bytes."""
    try:
        with file.open("rb") as stream:
            head = stream.read(len(_PNG_HEAD) + 8)
    except OSError as error:
        raise ImageMissing(
            f"shot {frame.shot.id!r}: {file} can't be read: {error.strerror}",
            action="Run the batch again; stored images are free."
            if frame.take
            else "Restore the file, or give the picture again with `stills pick --file`.",
        ) from None
    size = Size(int.from_bytes(head[-8:-4]), int.from_bytes(head[-4:]))
    if (
        not head.startswith(_PNG_HEAD)
        or len(head) < len(_PNG_HEAD) + 8
        or min(size) < _SIDE_MIN_PIXELS
    ):
        raise InvalidRequest(f"shot {frame.shot.id!r}: {file} is not a PNG", field="file")
    return Still(frame.shot.id, file.absolute(), size, frames)


def _most_common_size(stills: Sequence[Still]) -> Size:
    """Return the most common size, with even sides as H.264 requires; the first one on a tie."""
    width, height = Counter(still.size for still in stills).most_common(1)[0][0]
    return Size(width - width % 2, height - height % 2)


def _seconds(frame: PickedFrame, otherwise: float) -> float:
    seconds = frame.shot.duration_seconds
    if seconds is None:
        return otherwise
    _check_option(f"duration of shot {frame.shot.id!r}", seconds, SHOT_MAX_SECONDS)
    return seconds


def _check_option(name: str, value: float, most: float) -> None:
    if not 0 < value <= most:
        raise InvalidRequest(
            f"{name}: {value:g} is out of range", action=f"Use a number above 0, at most {most:g}."
        )
