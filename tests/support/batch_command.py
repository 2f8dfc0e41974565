"""Helpers for the tests of `stills batch`: shot lists, runs, and the output folder."""

import csv
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROWS = 20

_OWN_TERMINAL = """\
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""

Batch = Callable[..., subprocess.CompletedProcess[str]]


def write_rows(path: Path, rows: int = ROWS, prompt: str = "frame number {}") -> Path:
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "prompt", "size"])
        for number in range(rows):
            writer.writerow([f"s{number:02}", prompt.format(f"{number:02}"), "512*512"])
    return path


def read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def by_id(folder: Path) -> dict[str, dict[str, Any]]:
    return {entry["id"]: entry for entry in read_lines(folder / "manifest.jsonl")}


def refuse(prompt: str) -> dict[str, Any]:
    return {"kind": "content_refused", "match": prompt, "times": None}


def into_out(run, service) -> Batch:
    """Return a function that runs `stills batch` with the output folder `out` on a service."""

    def run_batch(
        *arguments: object, variables: dict[str, str] | None = None, **more
    ) -> subprocess.CompletedProcess[str]:
        options = [str(argument) for argument in arguments]
        environment = service.variables | (variables or {})
        return run("batch", *options, "-o", "out", variables=environment, **more)

    return run_batch


def reference_prompts(service) -> set[str]:
    """Return the prompts that were sent with an image."""
    return {
        send["prompt"]
        for send in service.ledger()["sends"]
        if send["kind"] == "generation" and "image:data" in send["content"]
    }


def at_a_terminal(
    command: list[str], answer: bytes, variables: dict[str, str], folder: Path
) -> tuple[int, str]:
    """Run a command on a pseudo-terminal, and type the answer when it asks."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", _OWN_TERMINAL, *command],
        env=variables,
        cwd=folder,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    output = b""
    has_typed = False
    try:
        while part := os.read(ours, 65536):
            output += part
            if b"[y/N]" in output and not has_typed:
                os.write(ours, answer)
                has_typed = True
    except OSError:  # the other side is closed
        pass
    finally:
        os.close(ours)
    return process.wait(timeout=30), output.decode()
