"""A sound per shot."""

import array
import subprocess

import pytest
from tests.support.boards import entry_of, write_board
from tests.support.finished_shots import shot

from stills.animatic.animatic import make_animatic, plan_animatic
from stills.animatic.sound import find_sounds
from stills.cli.main import main
from stills.contract.errors import InvalidRequest, ToolFailed


@pytest.fixture
def animatic(tmp_path):
    """Four shots of a second, at 10 frames per second."""
    ids = ("1A", "1b", "2/A", "3A")
    entries = (entry_of(shot(one, duration_seconds=1.0)) for one in ids)
    return plan_animatic(write_board(tmp_path / "film", *entries), fps=10)


@pytest.fixture
def audio(tmp_path):
    (tmp_path / "audio").mkdir()
    return tmp_path / "audio"


def write_tone(file, seconds):
    tone = ["-f", "lavfi", "-i", f"sine=f=440:d={seconds}:r=48000"]
    subprocess.run(["ffmpeg", "-v", "error", *tone, str(file)], check=True)


def loudness(video):
    """Return the mean absolute sample of each tenth of a second."""
    raw = subprocess.run(
        ["ffmpeg", "-v", "error", "-i", video, "-f", "s16le", "-ac", "1", "-ar", "8000", "-"],
        capture_output=True,
        check=True,
    ).stdout
    samples = array.array("h", raw[: len(raw) // 2 * 2])
    return [sum(map(abs, samples[at : at + 800])) / 800 for at in range(0, len(samples), 800)]


def test_each_sound_starts_with_its_shot_and_ends_with_it(animatic, audio, tmp_path):
    """Short ones are followed by silence, long ones are cut, and shots without one are silent."""
    write_tone(audio / "1A.wav", 0.5)
    write_tone(audio / "1B.mp3", 2.5)
    (audio / "notes.txt").write_text("no sound")
    write_tone(audio / "9Z.wav", 0.1)
    sounds = find_sounds(audio, animatic.film)
    assert (sounds.silent, sounds.unused) == (["2/A", "3A"], ["9Z.wav"])
    cut = make_animatic(animatic, tmp_path / "film.mp4", audio=sounds)
    [one] = cut
    assert (one.shot_id, one.shot_seconds) == ("1b", 1.0)
    assert one.sound_seconds == pytest.approx(2.5, abs=0.1)
    loud = [level > 200 for level in loudness(tmp_path / "film.mp4")[:40]]
    assert loud[1:4] + loud[11:19] == [True] * 11
    assert loud[6:9] + loud[21:39] == [False] * 21


def test_a_sound_as_long_as_its_shot_is_not_reported(animatic, audio, tmp_path):
    """Encoders add some milliseconds."""
    write_tone(audio / "3A.mp3", 1.0)
    sounds = find_sounds(audio, animatic.film)
    assert make_animatic(animatic, tmp_path / "film.mp4", audio=sounds) == []


def test_a_file_may_have_the_name_of_the_image(animatic, audio):
    """An id may have characters that no file name has."""
    write_tone(audio / "2-A.wav", 0.1)
    assert list(find_sounds(audio, animatic.film).files) == [2]


def test_two_files_for_a_shot_are_refused(animatic, audio):
    """Neither is chosen silently."""
    write_tone(audio / "1A.wav", 0.1)
    write_tone(audio / "1a.mp3", 0.1)
    with pytest.raises(InvalidRequest, match=r"two audio files for shot '1A': 1A\.wav and 1a\.mp3"):
        find_sounds(audio, animatic.film)


def test_a_folder_without_sounds_is_refused(animatic, audio):
    """The error says how to name them."""
    with pytest.raises(InvalidRequest, match="no audio file") as raised:
        find_sounds(audio, animatic.film)
    assert "1A.wav" in raised.value.action


def test_a_file_that_is_no_sound_is_named_with_its_shot(animatic, audio, tmp_path):
    """No film is written."""
    (audio / "3A.wav").write_text("no sound")
    with pytest.raises(ToolFailed, match="sound of shot '3A'"):
        make_animatic(animatic, tmp_path / "film.mp4", audio=find_sounds(audio, animatic.film))
    assert not (tmp_path / "film.mp4").exists()


def test_letter_case_counts_if_two_shots_differ_in_nothing_else(audio, tmp_path):
    """Each has its own file."""
    board = write_board(tmp_path / "film", *(entry_of(shot(one)) for one in ("1a", "1A")))
    film = plan_animatic(board).film
    write_tone(audio / "1A.wav", 0.1)
    assert list(find_sounds(audio, film).files) == [1]
    assert find_sounds(audio, film).silent == ["1a"]


def test_the_command_says_what_is_silent_cut_and_unused(animatic, audio, tmp_path, capsys):
    """Nothing that was given, or is missing, passes in silence."""
    write_tone(audio / "1A.wav", 1.5)
    write_tone(audio / "9Z.wav", 0.1)
    output = tmp_path / "film.mov"
    arguments = ["animatic", str(animatic.film.folder), "-o", str(output), "--audio", str(audio)]
    assert main([*arguments, "--fps", "10", "--mask", "1.33"]) == 0
    printed = capsys.readouterr()
    assert printed.out == f"{output}\n"
    assert printed.err.splitlines() == [
        "4 shots, 4.0 s, 96*64 at 10 frames per second",
        "  shots without sound: 3 (1b, 2/A, 3A)",
        "  sounds longer than their shot, cut at its end: 1 (1A: 1.5 s in 1.0 s)",
        "  audio files that no shot is named by: 1 (9Z.wav)",
    ]


def test_a_folder_that_cannot_be_read_is_refused(animatic, tmp_path):
    """The error has the reason."""
    with pytest.raises(InvalidRequest, match="can't be read: No such file"):
        find_sounds(tmp_path / "none", animatic.film)
