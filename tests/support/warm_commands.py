"""Run `stills` commands as `subprocess` does, but without importing most of their modules."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from tests.support.warm_stills import NUMBER

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
            self._start("stills", arguments, env, cwd, (asked, answer, error)) as process,
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
    def running(
        self, *arguments: str, env: Mapping[str, str], cwd: Path, program: str = "stills"
    ) -> Iterator["WarmProcess"]:
        """Start a command, or the program of a path; it is killed after the block."""
        output, printed = os.pipe()
        with (
            os.fdopen(output) as stream,
            self._start(program, arguments, env, cwd, (0, printed, 2)) as process,
        ):
            os.close(printed)
            process.stdout = stream
            try:
                yield process
            finally:
                process.send_signal(signal.SIGKILL)
                process.wait(_END_SECONDS)

    @contextmanager
    def _start(
        self,
        program: str,
        arguments: Sequence[str],
        env: Mapping[str, str],
        cwd: Path,
        streams: tuple[int, int, int],
    ) -> Iterator["WarmProcess"]:
        for name, value in env.items():
            changes_python = name.startswith(_READ_AT_THE_START)
            assert not changes_python or os.environ.get(name) == value, f"{name} has no effect"
        umask = os.umask(0o077)
        os.umask(umask)
        command = {
            "program": program,
            "arguments": arguments,
            "variables": env,
            "folder": str(cwd),
            "umask": umask,
        }
        caller, other = socket.socketpair()
        with caller:
            with other:
                socket.send_fds(self._control, [b"+"], [other.fileno(), *streams])
            caller.sendall(json.dumps(command).encode())
            caller.shutdown(socket.SHUT_WR)
            yield WarmProcess(caller)


class WarmProcess:
    """A running command."""

    stdout: TextIO

    def __init__(self, caller: socket.socket) -> None:
        self._caller = caller
        self._pid = self._read()
        self._code: int | None = None

    def wait(self, seconds: float) -> int:
        """Wait for its end; returns its exit code."""
        if self._code is None:
            self._caller.settimeout(seconds)
            try:
                self._code = self._read()
            except TimeoutError:
                os.kill(self._pid, signal.SIGKILL)
                raise
        return self._code

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        has_ended = self._code is not None or select.select([self._caller], [], [], 0)[0]
        if not has_ended:
            os.kill(self._pid, number)

    def _read(self) -> int:
        number: int
        (number,) = NUMBER.unpack(self._caller.recv(NUMBER.size, socket.MSG_WAITALL))
        return number


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
