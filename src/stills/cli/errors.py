"""Errors as one line for people and an exit code for programs."""

import sys
from typing import TYPE_CHECKING, TextIO

from stills.cli.text import printable
from stills.contract.errors import (
    AccessError,
    Billing,
    ContentRefused,
    LimitError,
    OutputRefused,
    ServiceError,
    StillsError,
    StorageError,
    ToolError,
    UsageError,
)

if TYPE_CHECKING:
    from stills.contract.outcome import Failure

EXIT_CODES: dict[type[StillsError], int] = {
    UsageError: 2,
    AccessError: 3,
    LimitError: 4,
    ServiceError: 5,
    ContentRefused: 6,
    StorageError: 7,
    ToolError: 8,
}
SOME_FAILED = 1
INTERRUPTED = 130
NOTHING_SENT = "interrupted before anything was sent; nothing was billed."
"""The message of a KeyboardInterrupt in that case."""
_MAYBE_SENT = (
    "interrupted. Run it again to finish answered calls free of charge; calls still in flight may "
    "be billed (see `stills spend`)."
)
_NO_CALLS = "interrupted. This command makes no API calls, so nothing was billed."
_CALLING = {"batch", "generate", "mcp", "recover", "review", "sandbox", "serve", "worker"}
_READER_GONE = 141  # what a shell reports when the reader of a pipe has left
_UNEXPECTED = 1

MONEY = {
    Billing.POSSIBLE: " [possibly billed]",
    Billing.BILLED: " [billed]",
    Billing.NONE: "",
}


def exit_code(error: StillsError) -> int:
    """Look up the exit code of an error's branch of the tree."""
    return next((code for kind, code in EXIT_CODES.items() if isinstance(error, kind)), 1)


def describe(error: "StillsError | Failure") -> str:
    """Say what happened, what it means for money, and what to do."""
    request_id = f" (request id {error.request_id})" if error.request_id else ""
    return f"{error.message.rstrip('.')}{MONEY[error.billing]}{request_id}. {error.action}"


def report(error: BaseException, stream: TextIO) -> int:
    """Print an error with what to do about it, in one line; return the exit code."""
    if isinstance(error, StillsError):
        code = exit_code(error)
        line = describe(error)
    else:
        code = _UNEXPECTED
        sent = "" if isinstance(error, Exception) else "Calls in flight may be billed. "
        line = (
            f"unexpected {type(error).__name__}: {str(error).rstrip('.')}. "
            f"{sent}Run `stills` with --debug and report what you see."
        )
    print(f"stills: {printable(line)}", file=stream)
    return code


def report_closed_output(error: OSError, stream: TextIO) -> int:
    """Report that standard output can't be written; return the exit code."""
    if isinstance(error, BrokenPipeError):
        return _READER_GONE
    refused = OutputRefused(
        f"standard output can't be written: {error.strerror}",
        action="Stored images are safe; `stills list` shows them.",
    )
    return report(refused, stream)


def report_interrupt(interrupt: KeyboardInterrupt, command: str) -> int:
    """Report what an interruption of a command left behind; return the exit code.

    A program of its own, such as the skill's script, has no command, and may have called.
    """
    message = _MAYBE_SENT if not command or command in _CALLING else _NO_CALLS
    print(f"stills: {interrupt.args[0] if interrupt.args else message}", file=sys.stderr)
    return INTERRUPTED
