"""Sound, text in the picture, and earlier films."""

import json
import subprocess

import pytest
import pyvips
from tests.support.boards import entry_of, write_board
from tests.support.finished_shots import shot

from stills.animatic.animatic import make_animatic, plan_animatic
from stills.contract.errors import InvalidRequest, OutputRefused, ToolFailed


@pytest.fixture
def board(tmp_path):
    """Two shots of a second, the second with an id that is an option and a filter."""
    ids = ("1A", "%{pts}:x='2'")
    return write_board(tmp_path / "film", *(entry_of(shot(i, duration_seconds=1.0)) for i in ids))


def streams(video):
    command = ["ffprobe", "-v", "error", "-show_streams", "-show_format", "-of", "json", video]
    told = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    found = {one["codec_type"]: float(one["duration"]) for one in told["streams"]}
    return found, told["format"]["tags"]["major_brand"].strip()


def pictures(video):
    """Return the first pictures of the two shots."""
    found = []
    for number in (0, 10):
        png = video.with_name(f"{video.stem}-{number}.png")
        chosen = ["-vf", f"select=eq(n\\,{number})", "-frames:v", "1", str(png)]
        subprocess.run(["ffmpeg", "-v", "error", "-i", video, *chosen], check=True)
        found.append(pyvips.Image.new_from_file(str(png)))
    return found


def test_a_mov_has_the_sound_of_a_file_cut_to_its_length(board, tmp_path):
    """The sound is longer than the film."""
    sound, output = tmp_path / "music.wav", tmp_path / "film.mov"
    make = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "sine=d=5", str(sound)]
    subprocess.run(make, check=True)
    make_animatic(plan_animatic(board, fps=10), output, audio=sound)
    durations, brand = streams(output)
    assert brand == "qt"
    assert durations["video"] == pytest.approx(2.0)
    assert durations["audio"] == pytest.approx(2.0, abs=0.1)


def test_audio_that_is_missing_or_no_sound_is_refused(board, tmp_path):
    """No film is written."""
    animatic, output = plan_animatic(board, fps=10), tmp_path / "film.mp4"
    with pytest.raises(InvalidRequest, match="is not a file"):
        make_animatic(animatic, output, audio=tmp_path / "none.wav")
    with pytest.raises(ToolFailed):
        make_animatic(animatic, output, audio=board / "manifest.jsonl")
    assert not output.exists()


def test_burn_in_changes_the_bottom_of_every_picture(board, tmp_path):
    """An id is only ever text; the text differs between the shots."""
    make_animatic(plan_animatic(board, fps=10), tmp_path / "plain.mp4")
    make_animatic(plan_animatic(board, fps=10), tmp_path / "film.mp4", burn_in=True)
    plain, _ = pictures(tmp_path / "plain.mp4")
    first, second = pictures(tmp_path / "film.mp4")
    bottom = (0, 44, 96, 20)
    assert (first.crop(*bottom) - plain.crop(*bottom)).abs().max() > 50
    assert (first.crop(*bottom) - second.crop(*bottom)).abs().max() > 50


def test_a_longer_film_is_only_replaced_by_force(board, tmp_path):
    """A film that is as long is replaced without it."""
    output = tmp_path / "film.mp4"
    long, short = (plan_animatic(one, fps=10) for one in (board, write_short(tmp_path)))
    make_animatic(long, output)
    make_animatic(long, output)
    with pytest.raises(OutputRefused, match=r"longer than the new film, which has 1\.0 s"):
        make_animatic(short, output)
    make_animatic(short, output, force=True)
    assert streams(output)[0]["video"] == pytest.approx(1.0)


def write_short(folder):
    return write_board(folder / "short", entry_of(shot("1A", duration_seconds=1.0)))
