"""An output that can't be written is refused before anything is sent."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.batch_command import read_lines, write_rows
from tests.support.progress_lines import without_progress

SCRIPT = (
    Path(__file__).parents[2]
    / "skills/ai/image/alicloud-ai-image-qwen-image/scripts/generate_image.py"
)
REQUEST = json.dumps({"prompt": "a red kite", "size": "64*64"})
PROGRAMS = {
    "generate": [sys.executable, "-m", "stills", "generate", "--request", REQUEST, "--output"],
    "skill": [sys.executable, str(SCRIPT), "--request", REQUEST, "--output"],
    "batch": [sys.executable, "-m", "stills", "batch", "shots.csv", "-o"],
}


def files(folder: Path) -> set[Path]:
    """Everything in a folder except Stills' own output."""
    return {path for path in folder.rglob("*") if not path.is_relative_to(folder / "output")}


@pytest.fixture
def ask(environment, service, tmp_path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Request images from a service, with an output path."""
    write_rows(tmp_path / "shots.csv", 2)

    def run(program: str, output: Path | str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*PROGRAMS[program], str(output)],
            env=environment | service.variables,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def refused_unsent(ended: subprocess.CompletedProcess[str], service) -> bool:
    """Return whether it ended with one line about the output, and nothing reached the service."""
    return (
        ended.returncode == 7
        and ended.stdout == ""
        and without_progress(ended.stderr).count("\n") == 1
        and "can't be written" in ended.stderr
        and service.ledger()["sends"] == []
    )


@pytest.mark.parametrize("program", ["generate", "skill"])
@pytest.mark.parametrize(
    "output", ["folder", "file/kite.png", "new/file/" + "n" * 300 + ".png", "pipe", "/proc/a.png"]
)
def test_an_image_is_not_paid_for_if_it_can_t_be_written(
    ask, service, tmp_path: Path, program, output
):
    """A folder, a path below a file, a name that is too long, a pipe, a read-only file system."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("in the way")
    os.mkfifo(tmp_path / "pipe")
    before = files(tmp_path)
    ended = ask(program, output)
    assert refused_unsent(ended, service), ended.stderr
    assert files(tmp_path) == before


@pytest.mark.parametrize("program", [*PROGRAMS])
def test_nothing_is_paid_for_on_a_read_only_disk(
    ask, service, make_disk, as_root, tmp_path: Path, program
):
    """Even root can't write there."""
    disk = make_disk(64)
    as_root("mount", "-o", "remount,ro", str(disk))
    before = files(tmp_path)
    ended = ask(program, disk / "new" / "kite.png")
    assert refused_unsent(ended, service), ended.stderr
    assert files(tmp_path) == before


@pytest.mark.parametrize(
    "in_the_way", ["out", "out/images", "out/manifest.jsonl/x", "out/index.html/x"]
)
def test_a_batch_is_not_paid_for_if_its_folder_can_t_be_written(
    ask, service, tmp_path: Path, in_the_way
):
    """A file is where a folder belongs, or the reverse."""
    (tmp_path / in_the_way).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / in_the_way).write_text("in the way")
    before = files(tmp_path)
    ended = ask("batch", "out")
    assert refused_unsent(ended, service), ended.stderr
    assert files(tmp_path) == before


@pytest.mark.parametrize("output", ["n" * 300, "new/" + "n" * 300])
def test_a_batch_is_not_paid_for_if_its_folder_s_name_is_too_long(
    ask, service, tmp_path: Path, output
):
    """Its parent folder is not created either."""
    before = files(tmp_path)
    ended = ask("batch", output)
    assert refused_unsent(ended, service), ended.stderr
    assert files(tmp_path) == before


@pytest.mark.parametrize("name", ["new/" + "n" * 300 + ".mp4", "file/film.mp4", "/proc/film.mp4"])
def test_an_animatic_is_not_encoded_if_it_can_t_be_written(run, tmp_path: Path, name):
    """The error comes before the encoding, and no partial file is left."""
    write_rows(tmp_path / "shots.csv", 1)
    assert run("batch", "shots.csv", "-o", "out", "--sandbox").returncode == 0
    shot = read_lines(tmp_path / "out" / "manifest.jsonl")[0]
    (tmp_path / "out" / shot["file"]).unlink()
    (tmp_path / "out" / shot["file"]).write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\2\0\0\0\2\0")
    (tmp_path / "file").write_text("in the way")
    before = files(tmp_path)
    ended = run("animatic", "out", "-o", name)
    assert ended.returncode == 7, ended.stderr  # not 8: ffmpeg, which would fail, has not run
    assert "can't be written" in ended.stderr
    assert files(tmp_path) == before
