"""CONTRIBUTING.md names every source file, and no file is too long to read at one go."""

import re
from pathlib import Path

from tests.support.documents import ROOT, name, rows

CONTRIBUTING = ROOT / "CONTRIBUTING.md"
SOURCES = ROOT / "src" / "stills"
CODE = {".css", ".html", ".js", ".mjs", ".py", ".sh", ".sql"}
INSTALLED = {"__pycache__", "node_modules"}
LINES_MAX = 400


def mapped() -> list[Path]:
    """List the files and folders of the map; later names of a row are in the first one's folder."""
    found = []
    for files, _ in rows(CONTRIBUTING, "file"):
        first, *others = re.findall(r"`([^`]+)`", files)
        found += [ROOT / first, *((ROOT / first).parent / other for other in others)]
    return found


def test_the_map_names_every_source_file():
    """A folder in the map stands for all its files. The failure lists the files to add."""
    places = mapped()
    sources = [path for path in SOURCES.rglob("*.py") if not path.name.startswith("__")]
    missing = [
        name(path) for path in sources if path not in places and not {*path.parents} & {*places}
    ]
    assert missing == []


def test_every_file_in_the_map_exists():
    """The map has no file that was moved or deleted."""
    assert [name(path) for path in mapped() if not path.exists()] == []


def test_no_file_has_more_than_400_lines():
    """A longer file is two files."""
    code = [
        path
        for folder in (".ci", "benchmarks", "deploy", "skills", "src", "tests")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in CODE and path.is_file() and not INSTALLED & {*path.parts}
    ]
    lengths = {name(path): len(path.read_text(encoding="utf-8").splitlines()) for path in code}
    assert "src/stills/app.py" in lengths
    assert {path: lines for path, lines in lengths.items() if lines > LINES_MAX} == {}
