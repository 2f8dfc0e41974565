"""Build the sdist and the wheel, and check both as a user of them: `make dist`.

Prints one line per check. Needs the network for the dependencies, which it installs from the lock
files into an environment of its own.
"""

import hashlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

import installed
import size

ROOT = Path(__file__).parents[1]
DIST = ROOT / "dist"
BIN = Path(sys.executable).parent
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
EXTRAS = "handover,jobs"


class Wrong(Exception):
    """What was built is not fit for a release; the message says why."""


def main() -> int:
    """Build, check, install, and run; stop at the first build that is wrong."""
    shutil.rmtree(DIST, ignore_errors=True)
    try:
        sdist, wheel = build()
        check_metadata(sdist, wheel)
        check_sdist(sdist)
        check_wheel(wheel)
        check_version(wheel)
        with tempfile.TemporaryDirectory(prefix="stills-dist-") as folder:
            Path(folder).chmod(0o755)  # the programs run as another user
            return run_installed(wheel, Path(folder) / "venv")
    except Wrong as error:
        print(f"FAILED {error}", file=sys.stderr)
        return 1


def build() -> tuple[Path, Path]:
    """Build both from the repository, and the wheel again from the sdist."""
    _run(BIN / "hatchling", "build", "-d", DIST)
    (sdist,), (wheel,) = DIST.glob("*.tar.gz"), DIST.glob("*.whl")
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(sdist) as archive:
            archive.extractall(folder, filter="data")
        (unpacked,) = Path(folder).iterdir()
        _run(BIN / "hatchling", "build", "-t", "wheel", "-d", folder, cwd=unpacked)
        (again,) = Path(folder).glob("*.whl")
        if (again.name, _digest(again)) != (wheel.name, _digest(wheel)):
            raise Wrong(f"the sdist builds another wheel: {again.name}")
    _passed("build", f"{sdist.name}, and the same {wheel.name} from it")
    return sdist, wheel


def check_metadata(sdist: Path, wheel: Path) -> None:
    """Check what the package index shows, and what the wheel contains."""
    _run(BIN / "twine", "check", "--strict", sdist, wheel)
    _passed("twine", "the description is shown as written")
    _run(BIN / "check-wheel-contents", wheel)
    _passed("contents", "check-wheel-contents found nothing")


def check_sdist(sdist: Path) -> None:
    """Check that the sdist has what a packager needs, and only what is in Git."""
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    needed = {"LICENSE", "README.md", "pyproject.toml", "PKG-INFO", "tests/conftest.py"}
    if missing := needed - names:
        raise Wrong(f"the sdist lacks {sorted(missing)}")
    tracked = {*_run("git", "ls-files").splitlines(), "PKG-INFO"}
    if strange := names - tracked:
        raise Wrong(f"the sdist has files that are not in Git: {sorted(strange)[:9]}")
    _passed("sdist", f"{len(names)} files, all in Git")


def check_wheel(wheel: Path) -> None:
    """Check that the wheel has the licence, and no path of this machine."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        own = [name for name in names if str(ROOT).encode() in archive.read(name)]
    if not any(name.endswith(".dist-info/licenses/LICENSE") for name in names):
        raise Wrong("the wheel has no licence")
    if own:
        raise Wrong(f"files of the wheel name {ROOT}: {own}")
    _passed("wheel", f"{len(names)} files, {wheel.stat().st_size / 1e6:.1f} MB")


def check_version(wheel: Path) -> None:
    """Check that a release is in the changelog, and is the skill's version."""
    version = wheel.name.split("-")[1]
    if "dev" in version or version == "0.0":
        _passed("version", f"{version}, which is not a release")
        return
    (skill,) = (ROOT / "skills").rglob("SKILL.md")
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## \[(\d.*?)\]", changelog, re.MULTILINE)
    skills = re.search(r'^  version: "(.*)"$', skill.read_text(encoding="utf-8"), re.MULTILINE)
    named = {found[1] if found else "none" for found in (newest, skills)}
    if named != {version}:
        raise Wrong(f"the tag is {version}, but CHANGELOG.md and SKILL.md name {sorted(named)}")
    _passed("version", f"{version}, also in the changelog and the skill")


def run_installed(wheel: Path, venv: Path) -> int:
    """Install the wheel from the lock files, measure it, and run its programs."""
    _run(sys.executable, "-m", "venv", "--without-pip", venv)
    pip = [*PIP, "--python", venv, "install"]
    locked = ["--require-hashes", "--only-binary=:all:", "--no-binary=pyvips"]
    _run(*pip, *locked, "-r", "requirements.lock")
    _run(*pip, "--no-deps", wheel)
    _run(*PIP, "--python", venv, "check")
    _passed("install", "from requirements.lock, with nothing missing")
    print("\n".join(size.table(venv)), flush=True)
    _install_extras(pip, wheel, venv)
    return 0 if installed.check(venv) else 1


def _install_extras(pip: list[str | Path], wheel: Path, venv: Path) -> None:
    """Install the extras in the versions that the tests use."""
    locked = (ROOT / "requirements-dev.lock").read_text(encoding="utf-8")
    versions = venv / "constraints.txt"
    pinned = re.findall(r"^[\w.-]+==[^\s;]+(?: ;[^\\\n]*)?", locked, re.MULTILINE)
    versions.write_text("\n".join(pinned), encoding="utf-8")
    _run(*pip, "--constraint", versions, f"{wheel}[{EXTRAS}]")
    _passed("extras", EXTRAS)


def _run(*command: str | Path, cwd: Path = ROOT) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Wrong(f"{' '.join(map(str, command))}:\n{done.stdout}{done.stderr}".strip())
    return done.stdout


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _passed(name: str, what: str) -> None:
    print(f"ok     {name:10} {what}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
