"""The process that an MCP client starts, in front of the one that does the work.

A client closes the standard input of a server that it no longer needs and kills it a few seconds
later, even while an image that was paid for is on its way. So the process that it starts is only a
relay: it copies bytes to and from the engine, a child in its own session, which no client kills.
When the relay is gone, the engine finishes what was sent and exits.
"""

import os
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Thread
from types import FrameType

Engine = Callable[[int | None], int]
"""Serves on standard input and output and returns the exit code.

Its argument is a file descriptor that ends when the relay is gone; None without a relay.
"""

_CHUNK_BYTES = 65536
_LAST_BYTES_SECONDS = 5.0
_LEFT = 130
_KILLED = 128  # plus the signal's number, as in a shell


def run_behind_relay(engine: Engine) -> int:
    """Run `engine` in a child process and copy to and from it; return its exit code.

    The first signal is passed on as SIGTERM; at the second this process exits, and the child
    finishes without it. Call this before the process starts a thread.
    """
    if not hasattr(os, "fork"):  # Windows
        return engine(None)
    pipes = [os.pipe() for _ in range(4)]
    (input_end, to_engine), (from_engine, output_end), (errors, errors_end), (life_end, _) = pipes
    child = os.fork()
    if child:
        for end in (input_end, output_end, errors_end, life_end):
            os.close(end)
        return _relay(child, to_engine, from_engine, errors)
    os.setsid()
    for end, number in ((input_end, 0), (output_end, 1), (errors_end, 2)):
        os.dup2(end, number)
    life = os.dup(life_end)
    for end in (end for pipe in pipes for end in pipe):
        os.close(end)
    return engine(life)


def _relay(engine: int, to_engine: int, from_engine: int, errors: int) -> int:
    outputs = [
        Thread(target=_copy_output, args=(source, target), daemon=True)
        for source, target in ((from_engine, 1), (errors, 2))
    ]
    # A daemon, because a read of standard input can't be interrupted.
    copies = [*outputs, Thread(target=_copy_input, args=(to_engine,), daemon=True)]
    # Signals must reach this thread, because in another they would not wake it up.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _signals())
    for copy in copies:
        copy.start()
    _pass_signals_on(engine)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    _, status = os.waitpid(engine, 0)
    for output in outputs:
        output.join(_LAST_BYTES_SECONDS)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else _KILLED - code


def _pass_signals_on(engine: int) -> None:
    passed_on = False

    def receive(_number: int, _frame: FrameType | None) -> None:
        nonlocal passed_on
        if passed_on:
            os._exit(_LEFT)
        passed_on = True
        with suppress(ProcessLookupError):
            os.kill(engine, signal.SIGTERM)

    for number in _signals():
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, receive)


def _signals() -> Sequence[signal.Signals]:
    return (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # Windows has no SIGHUP


def _copy_input(to_engine: int) -> None:
    try:
        while data := os.read(0, _CHUNK_BYTES):
            _write(to_engine, data)
    except OSError:  # the engine has ended, or the terminal has
        pass
    finally:
        os.close(to_engine)


def _copy_output(source: int, target: int) -> None:
    """Copy to the end; drop what the client does not read, so that the engine never waits."""
    is_taken = True
    while data := os.read(source, _CHUNK_BYTES):
        if is_taken:
            try:
                _write(target, data)
            except OSError:
                is_taken = False


def _write(target: int, data: bytes) -> None:
    while data:
        data = data[os.write(target, data) :]
