"""The animatic: the images of a manifest as a video, one shot after the other.

Each shot is encoded separately, and the clips are joined without encoding them again. So memory
does not grow with the number of shots, each image is decoded once, and an error names its shot.
"""

import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from stills.animatic.burn_in import burn_in_filter
from stills.animatic.earlier_film import check_not_longer
from stills.animatic.ffmpeg import find_ffmpeg, run_ffmpeg
from stills.contract.atomic_file import check_writable, replace_atomically
from stills.contract.errors import InvalidRequest, ToolFailed
from stills.contract.size import Size
from stills.review.film import (
    FPS_DEFAULT,
    SECONDS_PER_SHOT_DEFAULT,
    Film,
    Still,
    read_film,
)

RUN_DEADLINE_SECONDS = 900.0
"""How long one run of ffmpeg may take."""

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
_SOUND = ("-c:a", "aac", "-b:a", "192k", "-map_metadata", "-1")
_FORMATS = {".mp4": "mp4", ".mov": "mov"}


@dataclass(frozen=True, slots=True)
class Animatic:
    """A film, and the size of its video."""

    film: Film
    size: Size

    @property
    def stills(self) -> Sequence[Still]:
        """The shots in order."""
        return self.film.stills

    @property
    def fps(self) -> int:
        """Frames per second."""
        return self.film.fps


def plan_animatic(
    manifest: Path, *, seconds_per_shot: float = SECONDS_PER_SHOT_DEFAULT, fps: int = FPS_DEFAULT
) -> Animatic:
    """Read the film of a manifest, or of the one in a folder.

    The video has the most common size of the images.

    Raises:
        InvalidRequest: the manifest or an option is invalid, or no shot has an image.
        ImageMissing: an image is not where the manifest says.
    """
    film = read_film(manifest, seconds_per_shot=seconds_per_shot, fps=fps)
    return Animatic(film, _most_common_size(film.stills))


def make_animatic(
    animatic: Animatic,
    output: Path,
    *,
    ken_burns: bool = False,
    burn_in: bool = False,
    audio: Path | None = None,
    force: bool = False,
    on_shot: Callable[[int], None] = lambda _: None,
) -> None:
    """Write the video: H.264 in an MP4 or MOV file. Blocks.

    `burn_in` writes the id of the shot and the timecode into the picture. The film has the sound of
    `audio`, from the start and as far as it goes. A longer film is only replaced with `force`.
    `on_shot` gets the number of finished shots.

    Raises:
        InvalidRequest: the output's name ends in neither .mp4 nor .mov, or the audio can't be read.
        ToolMissing: ffmpeg was not found.
        ToolFailed: ffmpeg can't read an image or the audio, or fails for another reason.
        OutputRefused: the output can't be written, or is a longer film.
    """
    if output.suffix.lower() not in _FORMATS:
        raise InvalidRequest(
            f"{output} does not end in .mp4 or .mov",
            field="output",
            action="Use a name such as film.mp4.",
        )
    if audio is not None and not audio.is_file():
        raise InvalidRequest(
            f"{audio} is not a file", field="audio", action="Give the path of an audio file."
        )
    program = find_ffmpeg()
    check_writable(output)
    if output.exists() and not force:
        check_not_longer(program, output, animatic.film.seconds)
    with (
        replace_atomically(output) as part,
        tempfile.TemporaryDirectory(dir=output.parent.absolute(), prefix=".animatic-") as clips,
    ):
        folder, start = Path(clips), 0
        for number, still in enumerate(animatic.stills):
            effects = _ken_burns(number, still.frames, animatic.size) if ken_burns else ""
            if burn_in:
                effects += burn_in_filter(folder, still.shot_id, start, animatic.fps, animatic.size)
            _encode(program, still, animatic, effects, folder / f"{number}.mp4")
            start += still.frames
            on_shot(number + 1)
        _join(program, folder, animatic, part, form=_FORMATS[output.suffix.lower()], audio=audio)


def _encode(program: str, still: Still, animatic: Animatic, effects: str, clip: Path) -> None:
    """Encode one shot; the image is only ever read as a PNG, whatever it contains."""
    width, height = animatic.size
    filters = (
        f"scale={width}:{height}:force_original_aspect_ratio=decrease:flags=lanczos"
        f":out_color_matrix=bt709:out_range=tv,pad={width}:{height}:-1:-1,setsar=1,"
        f"format=yuv420p,loop={still.frames - 1}:1,setpts=N/({animatic.fps}*TB){effects}"
    )
    source = ["-protocol_whitelist", "file", "-f", "png_pipe", "-i", f"file:{still.file}"]
    target = ["-r", str(animatic.fps), "-frames:v", str(still.frames), "-f", "mp4", f"file:{clip}"]
    try:
        run_ffmpeg(
            program,
            [*source, "-vf", filters, *_ENCODER, *_COLOUR, *target],
            deadline_seconds=RUN_DEADLINE_SECONDS,
            folder=clip.parent,
        )
    except ToolFailed as error:
        raise ToolFailed(f"shot {still.shot_id!r}: {error.message}") from None


def _join(
    program: str,
    folder: Path,
    animatic: Animatic,
    output: Path,
    *,
    form: str,
    audio: Path | None,
) -> None:
    names = folder / "clips.txt"
    names.write_text("".join(f"file {number}.mp4\n" for number in range(len(animatic.stills))))
    source = ["-f", "concat", "-i", f"file:{names}"]
    sound: list[str] = []
    if audio is not None:
        # A playlist must not make ffmpeg fetch from addresses.
        source += ["-protocol_whitelist", "file", "-i", f"file:{audio.absolute()}"]
        sound = ["-map", "0:v", "-map", "1:a:0", *_SOUND, "-t", f"{animatic.film.seconds:.6f}"]
    target = ["-movflags", "+faststart", "-f", form, f"file:{output.absolute()}"]
    encode = ["-c:v", "copy", *sound]
    run_ffmpeg(program, [*source, *encode, *target], deadline_seconds=RUN_DEADLINE_SECONDS)


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


def _most_common_size(stills: Sequence[Still]) -> Size:
    """Return the most common size, with even sides as H.264 requires; the first one on a tie."""
    width, height = Counter(still.size for still in stills).most_common(1)[0][0]
    return Size(width - width % 2, height - height % 2)
