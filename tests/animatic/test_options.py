"""Sound, text in the picture, and earlier films."""

import json
import subprocess

import pytest
import pyvips
from tests.support.boards import entry_of, write_board
from tests.support.finished_shots import shot, write_png

from stills.animatic.animatic import Look, check_output, make_animatic, plan_animatic
from stills.animatic.burn_in import draw_caption
from stills.contract.errors import InvalidRequest, OutputRefused, ToolFailed
from stills.imaging.lettering import draw_text


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
    with pytest.raises(InvalidRequest, match="does not exist"):
        make_animatic(animatic, output, audio=tmp_path / "none.wav")
    with pytest.raises(ToolFailed):
        make_animatic(animatic, output, audio=board / "manifest.jsonl")
    assert not output.exists()


def test_burn_in_changes_the_bottom_of_every_picture(board, tmp_path):
    """An id is only ever text; the text differs between the shots."""
    animatic = plan_animatic(board, fps=10)
    make_animatic(animatic, tmp_path / "plain.mp4")
    make_animatic(animatic, tmp_path / "film.mp4", look=Look(captions=draw_captions(animatic)))
    plain, _ = pictures(tmp_path / "plain.mp4")
    first, second = pictures(tmp_path / "film.mp4")
    bottom = (0, 44, 96, 20)
    assert (first.crop(*bottom) - plain.crop(*bottom)).abs().max() > 50
    assert (first.crop(*bottom) - second.crop(*bottom)).abs().max() > 50


def test_dialogue_is_above_the_id_and_may_be_in_any_script(tmp_path):
    """A shot without dialogue has only its id."""
    said = ("ANNA: Łukasz?\nBEN: 静かな海 😀", "مرحبا", None)
    entries = [
        entry_of(shot(f"{number}A", duration_seconds=1.0, dialogue=one))
        for number, one in enumerate(said)
    ]
    animatic = plan_animatic(write_board(tmp_path / "film", *entries), fps=10)
    captions = draw_captions(animatic)
    assert [caption.dialogue is not None for caption in captions] == [True, True, False]
    make_animatic(animatic, tmp_path / "film.mp4", look=Look(captions=captions))
    spoken, _ = pictures(tmp_path / "film.mp4")
    make_animatic(animatic, tmp_path / "plain.mp4")
    plain, _ = pictures(tmp_path / "plain.mp4")
    middle = (20, 10, 56, 20)
    assert (spoken.crop(*middle) - plain.crop(*middle)).abs().max() > 50


def test_a_mask_leaves_an_aspect_ratio(board, tmp_path):
    """The film keeps its size; the zoom stays behind the bars."""
    for name, look in (("mask", Look(mask=2.39)), ("zoom", Look(ken_burns=True, mask=2.39))):
        make_animatic(plan_animatic(board, fps=10), tmp_path / f"{name}.mp4", look=look)
        first, _ = pictures(tmp_path / f"{name}.mp4")
        assert (first.width, first.height) == (96, 64)
        assert max(first.crop(0, 0, 96, 10).max(), first.crop(0, 54, 96, 10).max()) < 40
        assert first(48, 32)[0] > 150


def test_a_gif_repeats_and_is_small(tmp_path):
    """It has at most 640 pixels per side and 10 frames per second."""
    write_board(tmp_path / "film", *(entry_of(shot(i, duration_seconds=0.5)) for i in ("1A", "2A")))
    for name, colour in (("1A", (200, 0, 0)), ("2A", (0, 0, 200))):
        write_png(tmp_path / f"film/images/{name}.png", 960, 640, colour=colour)
    output = tmp_path / "film.gif"
    make_animatic(plan_animatic(tmp_path / "film", fps=24), output)
    assert output.read_bytes()[:6] == b"GIF89a"
    assert b"NETSCAPE2.0\x03\x01\x00\x00" in output.read_bytes()
    frames = pyvips.Image.new_from_file(str(output), n=-1)
    assert (frames.width, frames.get("page-height"), frames.get("n-pages")) == (640, 427, 10)
    assert frames.get("delay") == [100] * 10
    assert frames(320, 200)[:3] == pytest.approx((200, 0, 0), abs=8)
    assert frames(320, 427 * 9 + 200)[:3] == pytest.approx((0, 0, 200), abs=8)
    make_animatic(plan_animatic(tmp_path / "film", fps=24), output)
    with pytest.raises(OutputRefused, match="is longer"):
        make_animatic(plan_animatic(write_short(tmp_path, 0.2)), output)


def test_a_gif_has_no_sound(tmp_path):
    """Sound for it is refused."""
    with pytest.raises(InvalidRequest, match="a GIF has no sound"):
        check_output(tmp_path / "film.gif", tmp_path)


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


def write_short(folder, seconds=1.0):
    return write_board(folder / "short", entry_of(shot("1A", duration_seconds=seconds)))


def draw_captions(animatic):
    return [draw_caption(still, animatic.size, draw_text) for still in animatic.stills]
