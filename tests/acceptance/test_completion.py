"""`stills completion` in real shells: what Tab adds to a line that is typed."""

import os
import pty
import select
import subprocess
from pathlib import Path

import pytest

STARTS = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "-f", "-i"],
}
PREPARATIONS = {
    "bash": "bind 'set enable-bracketed-paste off'; source completion",
    "zsh": "autoload -Uz compinit; compinit -D -u; unset zle_bracketed_paste; "
    'eval "$(cat completion)"',
}
READY = "is-ready"
LINES = {
    "a command": ("stills verif\t", "[verify]"),
    "a command of a command": ("stills keys rev\t", "[keys][revoke]"),
    "an option": ("stills verify --js\t", "[verify][--json]"),
    "a value": ("stills spend --by mod\t", "[spend][--by][model]"),
    "a model": ("stills list --model qwen-image-2.1-t\t", "[list][--model][qwen-image-2.1-turbo]"),
    "a file": ("stills batch my-sh\t", "[batch][my-shots.csv]"),
    "a file of an option": ("stills generate --file my-sh\t", "[generate][--file][my-shots.csv]"),
    "a folder": ("stills review my-fi\t", "[review][my-film"),
}


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder with a shot list, and a `stills` that prints its arguments."""
    (tmp_path / "my-shots.csv").touch()
    (tmp_path / "my-film").mkdir()
    program = tmp_path / "bin" / "stills"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nprintf '[%s]' \"$@\"\necho\n")
    program.chmod(0o755)
    return tmp_path


def type_lines(shell: list[str], folder: Path, environment: dict[str, str], text: str) -> str:
    """Type text into a shell on a terminal; returns all that it printed."""
    ours, theirs = pty.openpty()
    variables = environment | {
        "PATH": f"{folder / 'bin'}:{environment['PATH']}", "TERM": "dumb", "PS1": "$ ",
    }  # fmt: skip
    process = subprocess.Popen(
        shell, stdin=theirs, stdout=theirs, stderr=theirs, cwd=folder, env=variables,
        start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    printed = b""
    try:
        for line in text.splitlines(keepends=True):
            os.write(ours, line.encode())
            os.write(ours, f"echo {READY[:2]}''{READY[2:]}\n".encode())
            seen = len(printed)
            while READY.encode() not in printed[seen:]:
                assert select.select([ours], [], [], 60)[0], printed
                printed += os.read(ours, 65536)
    finally:
        process.kill()
        process.wait(timeout=20)
        os.close(ours)
    return printed.decode()


@pytest.mark.parametrize("shell", STARTS)
def test_tab_completes_commands_options_and_files(run, folder, environment, shell):
    """The script is that of the command, and the shell is a real one on a terminal."""
    script = run("completion", shell)
    assert (script.returncode, script.stderr) == (0, "")
    (folder / "completion").write_text(script.stdout)
    text = "\n".join([PREPARATIONS[shell], *(typed for typed, _ in LINES.values()), ""])
    printed = type_lines(STARTS[shell], folder, environment, text)
    missing = [what for what, (_, completed) in LINES.items() if completed not in printed]
    assert missing == [], printed


def test_fish_completes_commands_options_and_files(run, folder, environment):
    """Fish says itself what Tab would offer."""
    script = run("completion", "fish")
    assert (script.returncode, script.stderr) == (0, "")
    (folder / "completion").write_text(script.stdout)
    offers = "; ".join(
        f"complete -C '{line}'"
        for line in ("stills verif", "stills verify --js", "stills batch my-sh", "stills keys rev")
    )
    done = subprocess.run(
        ["fish", "--no-config", "-c", f"source completion; {offers}"],
        env=environment, cwd=folder, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    offered = [line.split("\t")[0] for line in done.stdout.splitlines()]
    assert offered == ["verify", "--json", "my-shots.csv", "revoke"], done.stderr


def test_another_shell_is_a_bad_option(run):
    """The error lists those that there are."""
    done = run("completion", "tcsh")
    assert done.returncode == 2
    assert "bash" in done.stderr
