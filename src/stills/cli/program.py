"""How a program of ours runs: what it may print, how it is stopped, and the code it ends with."""

import argparse
import codecs
import io
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import TextIO, cast

from stills.cli.errors import report, report_closed_output, report_interrupt

_PANIC = "PanicException"  # of native code: a BaseException whose class can't be imported


def run_program(
    parser: argparse.ArgumentParser,
    arguments: Sequence[str] | None,
    run: Callable[[argparse.Namespace], int],
) -> int:
    """Run what the arguments ask for, those of this process by default, and give the exit code.

    An error is told in one line, with a traceback before it where the options have `debug`. SIGTERM
    and a closed terminal are taken for Ctrl-C.

    Raises:
        SystemExit: the arguments make no sense, or ask for help.
    """
    with _streams():
        try:
            return _flush(_run(parser, arguments, run))
        except SystemExit as ended:
            raise SystemExit(_flush(cast("int", ended.code))) from None


def _run(
    parser: argparse.ArgumentParser,
    arguments: Sequence[str] | None,
    run: Callable[[argparse.Namespace], int],
) -> int:
    debug = False
    try:
        options = parser.parse_args(arguments)
        debug = getattr(options, "debug", False)
        _take_signals()
        return run(options)
    except KeyboardInterrupt as interrupt:
        return report_interrupt(interrupt)
    except (BrokenPipeError, _OutputLost) as error:
        return _end_output(error)
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != _PANIC:
            raise
        if debug:
            import_module("traceback").print_exc()
        return report(error, sys.stderr)


def _take_signals() -> None:
    signal.signal(signal.SIGTERM, _interrupt)
    hang_up = getattr(signal, "SIGHUP", None)  # Windows has none
    if hang_up is not None and signal.getsignal(hang_up) is not signal.SIG_IGN:  # as nohup has it
        signal.signal(hang_up, _interrupt)


def _interrupt(*_: object) -> None:
    """Take a container's stop for a person's Ctrl-C: what is under way is tidied up."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell's background job
        signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.raise_signal(signal.SIGINT)


class _OutputLost(OSError):
    """Standard output takes no more, which no other OSError says."""


class _Output:
    """Standard output."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with self._guarded():
            return self._stream.write(text)

    def flush(self) -> None:
        with self._guarded():
            self._stream.flush()

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            raise
        except OSError as error:
            raise _OutputLost(error.errno, error.strerror) from error


class _Errors(_Output):
    """Standard error: what nobody takes changes nothing."""

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except OSError:
            discard(self._stream)


@contextmanager
def _streams() -> Iterator[None]:
    """Have standard streams that any text can be printed to."""
    _open_closed_streams()
    codecs.register_error(_escape.__name__, _escape)
    output, errors = sys.stdout, sys.stderr
    for stream in (output, errors):
        # A stream of UTF-8 may pass the bytes of a path on as they are: that is left so.
        if isinstance(stream, io.TextIOWrapper) and (
            stream.errors == "strict" or codecs.lookup(stream.encoding).name != "utf-8"
        ):
            stream.reconfigure(errors=_escape.__name__)
    sys.stdout, sys.stderr = cast("TextIO", _Output(output)), cast("TextIO", _Errors(errors))
    try:
        yield
    finally:
        sys.stderr.flush()
        sys.stdout, sys.stderr = output, errors


def _escape(error: UnicodeError) -> tuple[str | bytes, int]:
    r"""Write what the encoding lacks as \uXXXX, which is right within JSON as well.

    Bytes of a path that the locale can't read are written as they are.
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    if codecs.lookup(error.encoding).name != "utf-8":
        with suppress(UnicodeEncodeError):
            passed = error.object[error.start : error.end].encode("ascii", "surrogateescape")
            return passed, error.end
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


def _open_closed_streams() -> None:
    """Give away what nobody takes, lest the first file that is opened takes a stream's place."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: PTH123, SIM115 - stays open


def _flush(code: int) -> int:
    """Write what is still to be written, and say if that can't be."""
    try:
        sys.stdout.flush()
    except OSError as error:
        return _end_output(error)
    return code


def _end_output(error: OSError) -> int:
    discard(sys.stdout)
    return report_closed_output(error, sys.stderr)


def discard(stream: TextIO) -> None:
    """Drop what a stream still holds: Python would try once more at its end, and complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
