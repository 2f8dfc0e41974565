"""Run a command line program: its streams, its signals and its exit code."""

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
from stills.cli.new_catalog import announcing_new_catalog

_PANIC = "PanicException"  # of native code: a BaseException whose class can't be imported


def run_program(
    parser: argparse.ArgumentParser,
    arguments: Sequence[str] | None,
    run: Callable[[argparse.Namespace], int],
) -> int:
    """Parse the arguments (default: those of the process), call `run`, and return the exit code.

    An error is reported in one line, after a traceback if the options have `debug`. SIGTERM and a
    closed terminal count as Ctrl-C.

    Raises:
        SystemExit: the arguments are invalid, or ask for help.
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
    debug, command = False, ""
    try:
        options = parser.parse_args(arguments)
        debug, command = getattr(options, "debug", False), getattr(options, "module", "")
        _take_signals()
        with announcing_new_catalog(options):
            return run(options)
    except KeyboardInterrupt as interrupt:
        return report_interrupt(interrupt, command)
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
    """Treat SIGTERM and SIGHUP like Ctrl-C, so that work in progress is cleaned up."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell's background job
        signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.raise_signal(signal.SIGINT)


class _OutputLost(OSError):
    """Standard output can't be written, as opposed to any other OSError."""


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
    """Standard error: if it can't be written, the program continues."""

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except OSError:
            discard(self._stream)


@contextmanager
def _streams() -> Iterator[None]:
    """Make standard output and standard error accept any text."""
    _open_closed_streams()
    codecs.register_error(_escape.__name__, _escape)
    output, errors = sys.stdout, sys.stderr
    for stream in (output, errors):
        # A UTF-8 stream may pass the bytes of a path through; leave that as it is.
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
    r"""Write characters that the encoding lacks as \uXXXX, which is valid in JSON too.

    Bytes of a path that the locale can't decode are written unchanged.
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    if codecs.lookup(error.encoding).name != "utf-8":
        with suppress(UnicodeEncodeError):
            passed = error.object[error.start : error.end].encode("ascii", "surrogateescape")
            return passed, error.end
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


def _open_closed_streams() -> None:
    """Open closed standard streams on the null device, so that no other file gets their number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: PTH123, SIM115 - stays open


def _flush(code: int) -> int:
    """Flush standard output, and report an error if it can't be written."""
    try:
        sys.stdout.flush()
    except OSError as error:
        return _end_output(error)
    return code


def _end_output(error: OSError) -> int:
    discard(sys.stdout)
    return report_closed_output(error, sys.stderr)


def discard(stream: TextIO) -> None:
    """Drop the rest of a stream: Python would try to write it at exit, and print an error."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
