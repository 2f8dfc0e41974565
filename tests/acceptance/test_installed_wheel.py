"""The built wheel, installed where its user may write nothing: a short `make dist`."""

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
from tests.support.documents import ROOT

BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Install the wheel in an environment that finds its dependencies in that of the tests."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [BIN / "hatchling", "build", "--target", "wheel", "--directory", folder]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    environment = folder / "venv"
    venv.create(environment, with_pip=False, symlinks=True)
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "--disable-pip-version-check"),
            *("--python", environment, "install", "--quiet", "--no-deps", wheel),
        ],
        check=True,
    )
    (packages,) = environment.glob("lib/python3*/site-packages")
    # Not the editable install: of a path that such a file names, Python reads no .pth files.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return environment


def test_its_programs_run_without_the_right_to_write_where_it_is_installed(installed):
    """Images, batches, reviews, servers, tools, hand-over and jobs work."""
    check = [sys.executable, ROOT / ".ci" / "installed.py", installed]
    checked = subprocess.run(check, capture_output=True, text=True, check=False)
    lines = dict(line.split(maxsplit=2)[1::-1] for line in checked.stdout.splitlines())
    assert lines == dict.fromkeys(
        [
            "packages", "generate", "python", "batch", "review", "serve", "mcp", "sandbox",
            "export", "worker",
        ],
        "ok",
    ), checked.stdout + checked.stderr  # fmt: skip
