"""Run `stills` commands as `subprocess` does, but without the import of others' libraries."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

_PROGRAM = Path(__file__).with_name("warm_stills.py")
_READ_AT_THE_START = ("PYTHON", "LANG", "LC_")  # by Python, before any module
_END_SECONDS = 20.0


class WarmCommands:
    """Starts commands through warm_stills.py."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control

    def run(
        self,
        *arguments: str,
        env: Mapping[str, str],
        cwd: Path,
        stdin: str,
        timeout_seconds: float,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end.

        Raises:
            TimeoutError: It was still running, and has been killed.
        """
        (asked, ask), (answers, answer), (errors, error) = os.pipe(), os.pipe(), os.pipe()
        with (
            self._start(arguments, env, cwd, (asked, answer, error)) as process,
            os.fdopen(answers) as printed,
            os.fdopen(errors) as complained,
            ThreadPoolExecutor(3) as pool,
        ):
            for each in (asked, answer, error):
                os.close(each)
            pool.submit(_write, ask, stdin)
            output, complaints = pool.submit(printed.read), pool.submit(complained.read)
            code = process.wait(timeout_seconds)
            return subprocess.CompletedProcess(
                arguments, code, output.result(), complaints.result()
            )

    @contextmanager
    def running(self, *arguments: str, env: Mapping[str, str], cwd: Path) -> Iterator[TextIO]:
        """Start a command and yield its standard output; after the block, send SIGTERM to it."""
        output, printed = os.pipe()
        with (
            self._start(arguments, env, cwd, (0, printed, 2)) as process,
            os.fdopen(output) as stream,
        ):
            os.close(printed)
            try:
                yield stream
            finally:
                process.signal(signal.SIGTERM)
                process.wait(_END_SECONDS)

    @contextmanager
    def _start(
        self,
        arguments: Sequence[str],
        env: Mapping[str, str],
        cwd: Path,
        streams: tuple[int, int, int],
    ) -> Iterator["_Process"]:
        for name, value in env.items():
            changes_python = name.startswith(_READ_AT_THE_START)
            assert not changes_python or os.environ.get(name) == value, f"{name} has no effect"
        umask = os.umask(0o077)
        os.umask(umask)
        command = {"arguments": arguments, "variables": env, "folder": str(cwd), "umask": umask}
        caller, other = socket.socketpair()
        with caller, caller.makefile("r") as lines:
            with other:
                socket.send_fds(self._control, [b"+"], [other.fileno(), *streams])
            caller.sendall(json.dumps(command).encode())
            caller.shutdown(socket.SHUT_WR)
            yield _Process(int(lines.readline()), caller, lines)


class _Process:
    """A running command."""

    def __init__(self, pid: int, caller: socket.socket, lines: TextIO) -> None:
        self._pid = pid
        self._caller = caller
        self._lines = lines

    def wait(self, seconds: float) -> int:
        """Wait for its end; returns its exit code."""
        self._caller.settimeout(seconds)
        try:
            return int(self._lines.readline())
        except TimeoutError:
            self.signal(signal.SIGKILL)
            raise

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        with suppress(ProcessLookupError):
            os.kill(self._pid, number)


@contextmanager
def open_warm_commands() -> Iterator[WarmCommands]:
    """Start warm_stills.py, and end it after the block."""
    control, other = socket.socketpair()
    with control:
        with other:
            kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
            process = subprocess.Popen(
                [sys.executable, str(_PROGRAM), str(other.fileno())],
                env=kept,
                stdin=subprocess.DEVNULL,
                pass_fds=[other.fileno()],
            )
        yield WarmCommands(control)
    process.wait(_END_SECONDS)


def _write(descriptor: int, text: str) -> None:
    with suppress(BrokenPipeError), os.fdopen(descriptor, "w") as stream:
        stream.write(text)
