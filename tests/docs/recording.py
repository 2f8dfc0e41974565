"""Record a terminal for docs/images/terminal.svg: run this file as a program.

It plays recording.tape with PtyReel in a folder of its own, in which `stills` uses the sandbox.
"""

import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.docs.screenshots import FILM, IMAGES  # noqa: E402

TAPE = Path(__file__).with_suffix(".tape")
PTYREEL = "ptyreel==0.3.0"  # it needs no other packages
SPEED = 2.0
BYTES_MAX = 500_000
_DURATIONS = re.compile(r"(?<=animation-duration:)[\d.]+(?=s)|(?<=animation:track )[\d.]+(?=s)")
_FOLDER = Path("/tmp/film")


def main() -> None:
    """Install PtyReel into the build folder, and record."""
    tools = ROOT / "build" / "ptyreel"
    venv.create(tools, with_pip=True)
    pip = [str(tools / "bin" / "pip"), "--disable-pip-version-check", "install", "-qq", PTYREEL]
    subprocess.run(pip, check=True)
    _FOLDER.mkdir()
    try:
        (_FOLDER / "ferry.yaml").write_text(FILM, encoding="utf-8")
        shutil.copy(TAPE, _FOLDER)
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        subprocess.run(
            [tools / "bin" / "ptyreel", TAPE.name],
            cwd=_FOLDER, env=os.environ | {"PATH": path}, check=True,
        )  # fmt: skip
        picture = (_FOLDER / "terminal.svg").read_text(encoding="utf-8")
    finally:
        shutil.rmtree(_FOLDER)
    picture = _DURATIONS.sub(lambda seconds: f"{float(seconds[0]) / SPEED:.3f}", picture)
    assert len(picture) < BYTES_MAX
    (IMAGES / "terminal.svg").write_text(picture, encoding="utf-8")
    print(IMAGES / "terminal.svg")


if __name__ == "__main__":
    main()
