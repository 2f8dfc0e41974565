"""Animatics, inspected with ffprobe."""

import argparse
import json
import shutil
import subprocess
import sys
from types import SimpleNamespace

import pytest
import pyvips
from tests.support.finished_shots import done, failed, write_png

from stills.animatic import clip as module
from stills.animatic.animatic import Look, make_animatic, plan_animatic
from stills.animatic.ffmpeg import find_ffmpeg, run_ffmpeg
from stills.batch.manifest import ManifestWriter
from stills.cli.commands import animatic as command
from stills.contract.errors import (
    ContentRefused,
    ImageMissing,
    InvalidRequest,
    OutputRefused,
    ToolFailed,
    ToolMissing,
)

RED, GREEN, BLUE = (200, 0, 0), (0, 160, 0), (0, 0, 200)


def write_manifest(folder, *outcomes):
    """Write a manifest whose done shots have their image at images/<position>.png."""
    with ManifestWriter(folder) as manifest:
        for position, outcome in enumerate(outcomes):
            file = f"images/{position}.png" if outcome.result else None
            manifest.add(position, outcome, file)
    return folder / "manifest.jsonl"


@pytest.fixture
def film(tmp_path):
    """A manifest of three shots of 96*64, one with its own duration."""
    for position, colour in enumerate((RED, GREEN, BLUE)):
        write_png(tmp_path / f"images/{position}.png", colour=colour)
    return write_manifest(tmp_path, done("s0"), done("s1", duration_seconds=0.5), done("s2"))


def probe(video):
    command = ["ffprobe", "-v", "error", "-count_frames", "-show_streams", "-of", "json", video]
    streams = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)["streams"]
    [stream] = streams
    return stream


def frame(video, number, tmp_path):
    """Extract one frame of a video."""
    png = tmp_path / f"frame{number}.png"
    chosen = ["-vf", f"select=eq(n\\,{number})", "-frames:v", "1", str(png)]
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", video, *chosen], check=True)
    return pyvips.Image.new_from_file(str(png))


def colour_at(image, x, y):
    return image.getpoint(x, y)[:3]


def test_shots_follow_each_other_for_their_durations(film, tmp_path):
    """Durations come from the manifest, or else from the caller; colours are unchanged."""
    output = tmp_path / "film.mp4"
    animatic = plan_animatic(film, seconds_per_shot=1.0, fps=10)
    assert animatic.film.seconds == 2.5
    make_animatic(animatic, output)
    stream = probe(output)
    assert (stream["codec_name"], stream["pix_fmt"]) == ("h264", "yuv420p")
    assert (stream["width"], stream["height"]) == (96, 64)
    assert stream["avg_frame_rate"] == stream["r_frame_rate"] == "10/1"
    assert int(stream["nb_read_frames"]) == 25
    assert float(stream["duration"]) == pytest.approx(2.5)
    assert float(stream["start_time"]) == 0.0
    for number, colour in ((0, RED), (9, RED), (10, GREEN), (14, GREEN), (15, BLUE), (24, BLUE)):
        assert colour_at(frame(output, number, tmp_path), 48, 32) == pytest.approx(colour, abs=6)


def test_a_video_can_be_streamed(film, tmp_path):
    """Its index is at the start of the file."""
    make_animatic(plan_animatic(film, fps=5), tmp_path / "film.mp4")
    data = (tmp_path / "film.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_rounding_to_frames_does_not_add_up(tmp_path):
    """Thirty shots of 0.14 s at 10 frames per second are 42 frames, not 30."""
    write_png(tmp_path / "images/0.png")
    with ManifestWriter(tmp_path) as manifest:
        for position in range(30):
            manifest.add(position, done(f"s{position}", duration_seconds=0.14), "images/0.png")
    animatic = plan_animatic(tmp_path, fps=10)
    assert sum(still.frames for still in animatic.stills) == 42


def test_other_sizes_are_boxed_into_the_most_common_one(tmp_path):
    """A tall image keeps its aspect ratio between black bars; odd sides become even."""
    for position, size in enumerate(((97, 65), (97, 65), (40, 80))):
        write_png(tmp_path / f"images/{position}.png", *size)
    animatic = plan_animatic(write_manifest(tmp_path, *(done(f"s{i}") for i in range(3))), fps=1)
    assert animatic.size == (96, 64)
    make_animatic(animatic, tmp_path / "film.mp4")
    last = frame(tmp_path / "film.mp4", 8, tmp_path)
    assert (last.width, last.height) == (96, 64)
    assert max(colour_at(last, 8, 32)) < 12
    assert colour_at(last, 48, 32)[0] > 150
    assert colour_at(last, 48, 2)[0] > 150


def test_ken_burns_moves_the_view_in_and_out(tmp_path):
    """The first shot zooms in, the second zooms out, and the image always fills the frame."""
    for position in range(2):
        grid = pyvips.Image.grey(192, 128, uchar=True)
        path = write_png(tmp_path / f"images/{position}.png")
        grid.bandjoin([grid, grid]).copy(interpretation="srgb").pngsave(str(path))
    animatic = plan_animatic(write_manifest(tmp_path, done("in"), done("out")), fps=8)
    make_animatic(animatic, tmp_path / "film.mp4", look=Look(ken_burns=True))
    assert int(probe(tmp_path / "film.mp4")["nb_read_frames"]) == 48

    def span(number):
        image = frame(tmp_path / "film.mp4", number, tmp_path)
        return colour_at(image, 190, 64)[0] - colour_at(image, 1, 64)[0]

    wide, close = span(0), span(23)
    assert close / wide == pytest.approx(1 / 1.12, abs=0.03)
    assert span(12) == pytest.approx((wide + close) / 2, abs=6)
    assert span(24) == pytest.approx(close, abs=6)
    assert span(47) == pytest.approx(wide, abs=6)


def test_shots_without_an_image_are_left_out_and_named(tmp_path):
    """Failed shots are listed; portraits of the cast are not shots."""
    write_png(tmp_path / "images/0.png")
    write_png(tmp_path / "images/2.png")
    outcomes = (done("kira", is_portrait=True), failed("s1", ContentRefused()), done("s2"))
    animatic = plan_animatic(write_manifest(tmp_path, *outcomes))
    assert [still.shot_id for still in animatic.stills] == ["s2"]
    assert animatic.film.left_out == ["s1"]


def test_only_the_first_take_of_a_shot_is_shown(tmp_path):
    """The others are alternatives to it."""
    write_png(tmp_path / "images/0.png")
    outcomes = (done("s1"), done("s1-2", take=2, take_of="s1"))
    animatic = plan_animatic(write_manifest(tmp_path, *outcomes))
    assert [still.shot_id for still in animatic.stills] == ["s1"]


def test_hostile_file_names_are_only_names(tmp_path):
    """They contain quotes, percent signs, and text like options or protocols."""
    folder = tmp_path / "-i 'a\"%03d b:c\\$(x)\n雨"
    name = "images/-f %d 'x'.png"
    write_png(folder / name)
    with ManifestWriter(folder) as manifest:
        manifest.add(0, done("s0"), name)
    make_animatic(plan_animatic(folder, fps=5), folder / "-y 'o'%d.mp4")
    assert int(probe(folder / "-y 'o'%d.mp4")["nb_read_frames"]) == 15


def test_only_a_png_is_read(tmp_path, film):
    """ffmpeg never gets a playlist or a script."""
    (tmp_path / "images/1.png").write_text("#EXTM3U\n/etc/passwd\n")
    with pytest.raises(InvalidRequest, match=r"shot 's1': .*1\.png is not a PNG"):
        plan_animatic(film)


def test_an_unreadable_image_is_refused_with_its_shot(tmp_path, film):
    """The message has the last lines of ffmpeg's output, and no file is left."""
    picture = tmp_path / "images/1.png"
    picture.write_bytes(picture.read_bytes()[:40])
    with pytest.raises(ToolFailed, match=r"shot 's1': ffmpeg failed with exit code \d+: \S+"):
        make_animatic(plan_animatic(film, fps=2), tmp_path / "film.mp4")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images", "manifest.jsonl"]


def test_an_old_video_stays_until_the_new_one_is_complete(tmp_path, film, monkeypatch):
    """The output is written atomically."""
    output = tmp_path / "film.mp4"
    output.write_text("old")
    monkeypatch.setattr(module, "RUN_DEADLINE_SECONDS", 0.001)
    with pytest.raises(ToolFailed, match="did not finish within"):
        make_animatic(plan_animatic(film), output)
    assert output.read_text() == "old"


def test_a_missing_ffmpeg_is_reported_with_ways_to_install_it(film, tmp_path, monkeypatch):
    """It is neither on the PATH nor in a Python package."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(ToolMissing) as caught:
        make_animatic(plan_animatic(film), tmp_path / "film.mp4")
    assert "apt install ffmpeg" in caught.value.action
    assert "pip install imageio-ffmpeg" in caught.value.action


def test_the_ffmpeg_of_imageio_is_used_if_there_is_no_other(tmp_path, monkeypatch):
    """The package imageio-ffmpeg contains the program."""
    program = shutil.which("ffmpeg")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(
        sys.modules, "imageio_ffmpeg", SimpleNamespace(get_ffmpeg_exe=lambda: program)
    )
    assert find_ffmpeg() == program


def test_a_program_that_cannot_be_started_is_reported(tmp_path):
    """A broken installation is an expected error."""
    with pytest.raises(ToolFailed, match="can't be started"):
        run_ffmpeg(str(tmp_path), [], deadline_seconds=1.0)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("fps", 0),
        ("fps", 121),
        ("seconds_per_shot", 0.0),
        ("seconds_per_shot", float("nan")),
        ("seconds_per_shot", 601.0),
    ],
)
def test_options_out_of_range_are_refused(film, option, value):
    """The error comes before anything is encoded."""
    with pytest.raises(InvalidRequest, match="out of range"):
        plan_animatic(film, **{option: value})


def test_a_duration_out_of_range_names_its_shot(tmp_path):
    """A manifest may contain any number."""
    write_png(tmp_path / "images/0.png")
    with pytest.raises(InvalidRequest, match=r"'s0'.*out of range"):
        plan_animatic(write_manifest(tmp_path, done("s0", duration_seconds=1e9)))


def test_a_missing_image_is_reported_with_its_shot(tmp_path):
    """The message has the shot and the reason."""
    with pytest.raises(ImageMissing, match=r"'s0'.*No such file"):
        plan_animatic(write_manifest(tmp_path, done("s0")))


def test_a_manifest_without_images_is_refused(tmp_path):
    """There is nothing to show."""
    with pytest.raises(InvalidRequest, match="no shot with an image"):
        plan_animatic(write_manifest(tmp_path, failed("s0", ContentRefused())))


def test_an_output_that_cannot_be_used_is_refused(film, tmp_path):
    """Its name must have a known suffix, and it must not be a folder."""
    animatic = plan_animatic(film)
    with pytest.raises(InvalidRequest, match=r"does not end in \.mp4"):
        make_animatic(animatic, tmp_path / "film.avi")
    (tmp_path / "film.mp4").mkdir()
    with pytest.raises(OutputRefused):
        make_animatic(animatic, tmp_path / "film.mp4")


def test_the_command_prints_the_path_and_the_shots_left_out(tmp_path, capsys):
    """The path is on standard output for scripts, the rest on standard error."""
    write_png(tmp_path / "images/1.png")
    write_manifest(tmp_path, failed("s\x1b0", ContentRefused()), done("s1"))
    output = tmp_path / "new" / "film.mp4"
    options = argparse.Namespace(
        manifest=str(tmp_path),
        output=str(output),
        seconds_per_shot=1.0,
        fps=5,
        ken_burns=False,
        mask=None,
        burn_in=False,
        audio=None,
        force=False,
    )
    assert command.run(options) == 0
    out, err = capsys.readouterr()
    assert out == f"{output}\n"
    assert err == (
        "1 shot, 1.0 s, 96*64 at 5 frames per second\n"
        "  skipped, because they have no image: 1 (s 0)\n"
    )
    assert output.exists()
