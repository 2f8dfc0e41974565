"""The animatic: the images of a manifest as a video, one shot after the other.

Each shot is encoded separately, and the clips are joined without encoding them again. So memory
does not grow with the number of shots, each image is decoded once, and an error names its shot.
"""

import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from stills.animatic.burn_in import Caption
from stills.animatic.clip import Clip, encode_clip
from stills.animatic.earlier_film import check_not_longer
from stills.animatic.ffmpeg import RUN_DEADLINE_SECONDS, find_ffmpeg, run_ffmpeg
from stills.animatic.gif import write_gif
from stills.animatic.sound import RAW_FORMAT, CutSound, ShotSounds, write_shot_sounds
from stills.contract.atomic_file import check_writable, replace_atomically
from stills.contract.errors import InvalidRequest
from stills.contract.size import Size
from stills.review.film import (
    FPS_DEFAULT,
    SECONDS_PER_SHOT_DEFAULT,
    Film,
    Still,
    read_film,
)

_SOUND = ("-c:a", "aac", "-b:a", "192k", "-map_metadata", "-1")
_FORMATS = {".mp4": "mp4", ".mov": "mov", ".gif": "gif"}


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


@dataclass(frozen=True, slots=True)
class Look:
    """How a film looks: with a slow zoom, black bars for an aspect ratio, and captions.

    There is one caption per shot, or none at all.
    """

    ken_burns: bool = False
    mask: float | None = None
    captions: Sequence[Caption] = ()


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


def check_output(output: Path, audio: Path | None) -> None:
    """Check the names of the output and of the sound. Blocks.

    Raises:
        InvalidRequest: the output has an unsupported format, or the sound is missing or
            does not fit it.
    """
    form = _FORMATS.get(output.suffix.lower())
    if form is None:
        raise InvalidRequest(
            f"{output} does not end in .mp4, .mov or .gif",
            field="output",
            action="Use a name such as film.mp4.",
        )
    if audio is not None and form == "gif":
        raise InvalidRequest(
            "a GIF has no sound", field="audio", action="Leave out --audio, or write .mp4 or .mov."
        )
    if audio is not None and not audio.exists():
        raise InvalidRequest(
            f"{audio} does not exist",
            field="audio",
            action="Give an audio file, or a folder with a file per shot.",
        )


def make_animatic(
    animatic: Animatic,
    output: Path,
    *,
    look: Look | None = None,
    audio: Path | ShotSounds | None = None,
    force: bool = False,
    on_shot: Callable[[int], None] = lambda _: None,
) -> list[CutSound]:
    """Write the video: H.264 in an MP4 or MOV file, or a GIF. Blocks.

    The film has the sound of the file `audio`, from the start and as far as it goes, or a sound per
    shot; returned are those that were cut. A longer film is only replaced with `force`. `on_shot`
    gets the number of finished shots.

    Raises:
        InvalidRequest: the output's name ends in another suffix.
        ToolMissing: ffmpeg was not found.
        ToolFailed: ffmpeg can't read an image or the audio, or fails for another reason.
        OutputRefused: the output can't be written, or is a longer film.
    """
    check_output(output, audio if isinstance(audio, Path) else None)
    look = look or Look()
    program = find_ffmpeg()
    check_writable(output)
    if output.exists() and not force:
        check_not_longer(program, output, animatic.film.seconds)
    with (
        replace_atomically(output) as part,
        tempfile.TemporaryDirectory(dir=output.parent.absolute(), prefix=".animatic-") as clips,
    ):
        folder, start, cut = Path(clips), 0, list[CutSound]()
        track: list[str] = []
        if isinstance(audio, ShotSounds):
            cut = write_shot_sounds(program, animatic.film, audio, folder / "sound.raw")
            track = [*RAW_FORMAT, "-i", f"file:{folder / 'sound.raw'}"]
        elif audio is not None:
            # A playlist must not make ffmpeg fetch from addresses.
            track = ["-protocol_whitelist", "file", "-i", f"file:{audio.absolute()}"]
        for number, still in enumerate(animatic.stills):
            encode_clip(
                program,
                Clip(still, number, start, animatic.size, animatic.fps),
                folder / f"{number}.mp4",
                ken_burns=look.ken_burns,
                mask=look.mask,
                caption=look.captions[number] if look.captions else None,
            )
            start += still.frames
            on_shot(number + 1)
        _join(program, folder, animatic, part, form=_FORMATS[output.suffix.lower()], track=track)
    return cut


def _join(
    program: str, folder: Path, animatic: Animatic, output: Path, *, form: str, track: list[str]
) -> None:
    names = folder / "clips.txt"
    names.write_text("".join(f"file {number}.mp4\n" for number in range(len(animatic.stills))))
    source = ["-f", "concat", "-i", f"file:{names}"]
    if form == "gif":
        write_gif(program, source, output.absolute(), folder=folder, fps=animatic.fps)
        return
    sound: list[str] = []
    if track:
        sound = ["-map", "0:v", "-map", "1:a:0", *_SOUND, "-t", f"{animatic.film.seconds:.6f}"]
    target = ["-movflags", "+faststart", "-f", form, f"file:{output.absolute()}"]
    encode = ["-c:v", "copy", *sound]
    run_ffmpeg(program, [*source, *track, *encode, *target], deadline_seconds=RUN_DEADLINE_SECONDS)


def _most_common_size(stills: Sequence[Still]) -> Size:
    """Return the most common size, with even sides as H.264 requires; the first one on a tie."""
    width, height = Counter(still.size for still in stills).most_common(1)[0][0]
    return Size(width - width % 2, height - height % 2)
