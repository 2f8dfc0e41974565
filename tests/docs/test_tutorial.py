"""The tutorial runs as a reader would run it, and prints what it shows."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.documents import ROOT

import stills

PAGE = ROOT / "docs" / "tutorial.md"
BLOCKS = re.findall(
    r"^```bash\n(.*?)^```$(?:\n\n```text\n(.*?)^```$)?",
    PAGE.read_text(encoding="utf-8"),
    re.MULTILINE | re.DOTALL,
)
END = "-- end of block --"
# `stills review` serves until it is stopped, which a reader does with Ctrl-C.
REVIEW = (
    'exec 3< <(exec {}); reviewing=$!; read -r line <&3; echo "$line"; kill $reviewing; exec 3<&-'
)


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What each block of commands prints, in one shell, in an empty folder without an API key."""
    folder = tmp_path_factory.mktemp("tutorial")
    program = folder / "stills"
    program.write_text(
        f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m stills "$@"\n', encoding="utf-8"
    )
    program.chmod(0o755)
    work = folder / "work"
    work.mkdir()
    environment = {
        "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(Path(stills.__file__).parents[1]),
        "HOME": str(folder),
        "PYTHONUNBUFFERED": "1",  # lines come in the order of a terminal
    }
    script = "".join(f"{commands}echo '{END}'\n" for commands, _ in BLOCKS)
    script = re.sub(
        r"^(stills review .*)$", lambda m: REVIEW.format(m[1]), script, flags=re.MULTILINE
    )
    output = folder / "output.txt"
    with output.open("w") as file:
        ended = subprocess.run(
            ["bash", "-euc", script], cwd=work, env=environment, check=False, timeout=300,
            stdin=subprocess.DEVNULL, stdout=file, stderr=file,
        )  # fmt: skip
    text = output.read_text(encoding="utf-8")
    assert ended.returncode == 0, text
    return text.split(f"{END}\n")[:-1]


def pattern(line: str) -> str:
    """Return a pattern for a line that is shown, in which `…` stands for anything."""
    return ".*".join(map(re.escape, line.split("…")))


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_a_block_prints_what_the_page_shows(number: int, printed: list[str]):
    """All commands succeed, and the lines that are shown are printed, in this order."""
    lines = iter(printed[number].splitlines())
    for shown in BLOCKS[number][1].splitlines():
        if shown != "…":  # lines that are left out
            assert any(re.fullmatch(pattern(shown), line) for line in lines), (
                f"{shown!r} is missing in:\n{printed[number]}"
            )


def test_the_review_prints_its_address(printed: list[str]):
    """The reader opens it in a browser."""
    (number,) = (at for at, (commands, _) in enumerate(BLOCKS) if "stills review" in commands)
    assert "http://127.0.0.1:" in printed[number]


def test_what_is_shown_is_checked():
    """Most blocks show what they print, and a wrong line would be noticed."""
    assert sum(bool(shown) for _, shown in BLOCKS) >= len(BLOCKS) / 2
    assert not re.fullmatch(pattern("7 new, …"), "8 new, 0 from the catalog")
    assert re.fullmatch(pattern("7 new, …"), "7 new, 0 from the catalog")
