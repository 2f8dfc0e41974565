"""The sound of a film: one file for all of it, or a folder with a file per shot."""

import shutil
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stills.animatic.ffmpeg import run_ffmpeg
from stills.batch.image_files import ImageNames
from stills.contract.errors import InvalidRequest, ToolFailed
from stills.review.film import SHOT_MAX_SECONDS, Film

_AUDIO_SUFFIXES = (".aac", ".aif", ".aiff", ".flac", ".m4a", ".mp3", ".ogg", ".opus", ".wav")
SAMPLE_RATE = 48_000
RAW_FORMAT = ("-f", "s16le", "-ar", f"{SAMPLE_RATE}", "-ac", "2")

_FRAME_BYTES = 4  # two channels of 16 bits
_TOLERANCE_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class ShotSounds:
    """The files of the shots that have one, by the number of the shot from 0.

    `silent` are the ids of shots without a file, `unused` the names of files without a shot.
    """

    files: Mapping[int, Path]
    silent: Sequence[str]
    unused: Sequence[str]


@dataclass(frozen=True, slots=True)
class CutSound:
    """A sound that is longer than its shot, and ends with it. Both lengths are in seconds."""

    shot_id: str
    sound_seconds: float
    shot_seconds: float


def find_sounds(folder: Path, film: Film) -> ShotSounds:
    """Find the audio files in a folder that are named by shots: `1A.wav`. Blocks.

    A name is the id of the shot, or the name of its image file. Letter case only counts if two
    shots differ in nothing else.

    Raises:
        InvalidRequest: the folder has none, or two for one shot, or can't be read.
    """
    ids = [still.shot_id for still in film.stills]
    find = _name_shots(ids)
    found: dict[int, list[Path]] = defaultdict(list)
    unused = []
    for file in _list_files(folder):
        if file.suffix.lower() not in _AUDIO_SUFFIXES or not file.is_file():
            continue
        number = find(file.stem)
        if number is None:
            unused.append(file.name)
        else:
            found[number].append(file)
    _check(folder, found, ids)
    silent = [one for number, one in enumerate(ids) if number not in found]
    return ShotSounds({number: files[0] for number, files in found.items()}, silent, unused)


def write_shot_sounds(program: str, film: Film, sounds: ShotSounds, output: Path) -> list[CutSound]:
    """Write the sound of a film as raw samples; return what was cut. Blocks.

    Each sound starts with its shot, and ends with it at the latest.

    Raises:
        ToolFailed: ffmpeg can't read a file; the shot is named.
    """
    cut, start = [], 0
    decoded = output.with_name("sound.part")
    with output.open("wb") as track:
        for number, still in enumerate(film.stills):
            begins, ends = _sample(start, film.fps), _sample(start + still.frames, film.fps)
            start += still.frames
            if number not in sounds.files:
                continue
            _decode(program, still.shot_id, sounds.files[number], decoded)
            seconds = decoded.stat().st_size / _FRAME_BYTES / SAMPLE_RATE
            if seconds > still.frames / film.fps + _TOLERANCE_SECONDS:
                cut.append(CutSound(still.shot_id, seconds, still.frames / film.fps))
            with decoded.open("r+b") as samples:
                samples.truncate(min(decoded.stat().st_size, (ends - begins) * _FRAME_BYTES))
                track.seek(begins * _FRAME_BYTES)
                shutil.copyfileobj(samples, track)
        track.truncate(_sample(start, film.fps) * _FRAME_BYTES)
    return cut


def _list_files(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise InvalidRequest(
            f"{folder} can't be read: {error.strerror}",
            field="audio",
            action="Give a folder that you may read.",
        ) from None


def _name_shots(ids: Sequence[str]) -> Callable[[str], int | None]:
    """Return a function that finds the number of a shot by the name of a file."""
    names = ImageNames(ids)
    exact: dict[str, int] = {}
    folded: dict[str, set[int]] = defaultdict(set)
    for number, shot_id in enumerate(ids):
        for name in (shot_id, Path(names.path(shot_id)).stem):
            exact.setdefault(name, number)
            folded[name.casefold()].add(number)

    def find(name: str) -> int | None:
        alike = folded.get(name.casefold(), set())
        return exact.get(name, next(iter(alike)) if len(alike) == 1 else None)

    return find


def _check(folder: Path, found: Mapping[int, Sequence[Path]], ids: Sequence[str]) -> None:
    if not found:
        raise InvalidRequest(
            f"{folder} has no audio file that is named by a shot",
            field="audio",
            action=f"Name them such as {ids[0][:60]}.wav, or with {', '.join(_AUDIO_SUFFIXES)}.",
        )
    for number, files in found.items():
        if len(files) > 1:
            raise InvalidRequest(
                f"{folder} has two audio files for shot {ids[number][:60]!r}: "
                f"{files[0].name} and {files[1].name}",
                field="audio",
                action="Keep one of them.",
            )


def _sample(frame: int, fps: int) -> int:
    return round(frame * SAMPLE_RATE / fps)


def _decode(program: str, shot_id: str, file: Path, output: Path) -> None:
    # A playlist must not make ffmpeg fetch from addresses.
    source = ["-protocol_whitelist", "file", "-i", f"file:{file.absolute()}", "-map", "0:a:0"]
    target = ["-t", f"{SHOT_MAX_SECONDS:g}", *RAW_FORMAT, f"file:{output}"]
    try:
        run_ffmpeg(program, [*source, *target], deadline_seconds=SHOT_MAX_SECONDS)
    except ToolFailed as error:
        raise ToolFailed(f"sound of shot {shot_id!r}: {error.message}") from None
