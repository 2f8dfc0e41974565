"""`stills open`: the default viewer, or where the image is."""

import json
import sys
from pathlib import Path

import pytest


@pytest.fixture
def image(run) -> dict[str, str]:
    """An image in the store's folder."""
    done = run("generate", "a red kite", "--size", "64*64", "--sandbox", "--json")
    return json.loads(done.stdout)


@pytest.fixture
def desktop(tmp_path, environment):
    """Make a desktop whose viewer is a script; returns its variables."""

    def make(script: str) -> dict[str, str]:
        folder = tmp_path / "bin"
        folder.mkdir()
        viewer = folder / "xdg-open"
        viewer.write_text(f"#!{sys.executable}\nimport sys, time\n{script}\n")
        viewer.chmod(0o755)
        return {"PATH": f"{folder}:{environment['PATH']}", "DISPLAY": ":99"}

    return make


def saw(tmp_path: Path) -> str:
    """Return a script that writes what it was asked to show."""
    return f"open({str(tmp_path / 'seen')!r}, 'w').write('|'.join(sys.argv[1:]))"


def test_the_image_is_opened_in_the_default_viewer(run, image, desktop, tmp_path):
    """Its path is the one argument, and is printed too."""
    done = run("open", image["id"][:8], variables=desktop(saw(tmp_path)))
    assert (done.returncode, done.stderr) == (0, "")
    path = done.stdout.rstrip("\n")
    assert Path(path).read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "seen").read_text() == path


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({}, "there is no screen here"),
        ({"DISPLAY": ":99", "SSH_CONNECTION": "192.0.2.1 1 192.0.2.2 22"}, "remote session"),
        ({"WAYLAND_DISPLAY": "wayland-0", "PATH": "/nowhere"}, "xdg-open is not installed"),
    ],
)
def test_without_a_screen_the_path_is_printed(run, image, variables, reason):
    """And why nothing was opened: on a server, over ssh, and without a desktop."""
    done = run("open", image["id"], variables=variables)
    assert done.returncode == 0
    assert Path(done.stdout.rstrip("\n")).exists()
    assert reason in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_viewer_that_stays_is_not_waited_for(run, image, desktop, tmp_path):
    """It may be the viewer itself, which runs until its window is closed."""
    script = f"{saw(tmp_path)}; time.sleep(30)"
    done = run("open", image["id"], variables=desktop(script))
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "seen").exists()


def test_a_viewer_that_fails_is_named(run, image, desktop):
    """The path is still printed, so that another program can open it."""
    done = run("open", image["id"], variables=desktop("sys.exit(3)"))
    assert done.returncode == 8
    assert "xdg-open can't show the image: exit code 3" in done.stderr
    assert Path(done.stdout.rstrip("\n")).exists()


def test_an_image_in_a_bucket_is_copied_to_a_file(run, bucket, desktop, tmp_path):
    """The viewer gets a file with the same bytes, named as in the bucket."""
    variables = bucket | {"TMPDIR": str(tmp_path)}
    done = run(
        "generate", "a kite", "--size", "64*64", "--sandbox", "--json", "--output", "out.png",
        variables=variables,
    )  # fmt: skip
    made = json.loads(done.stdout)
    opened = run("open", made["id"], variables=variables | desktop(saw(tmp_path)))
    assert (opened.returncode, opened.stderr) == (0, "")
    file = Path((tmp_path / "seen").read_text())
    assert file.name == made["object_path"]
    assert file.read_bytes() == (tmp_path / "out.png").read_bytes()


def test_an_unknown_id_opens_nothing(run, desktop, tmp_path):
    """It is a bad request, as elsewhere."""
    done = run("open", "zzzz", variables=desktop(saw(tmp_path)))
    assert done.returncode == 2
    assert "no image has an id that starts with 'zzzz'" in done.stderr
    assert not (tmp_path / "seen").exists()
