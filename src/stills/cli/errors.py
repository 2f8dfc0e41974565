"""Errors as one line for people and an exit code for programs."""

import sys
from typing import TYPE_CHECKING, TextIO

from stills.cli.text import printable
from stills.contract.errors import (
    AccessError,
    Billing,
    ContentRefused,
    InvalidRequest,
    LimitError,
    OutputRefused,
    ServiceError,
    StillsError,
    StorageError,
    ToolError,
)

if TYPE_CHECKING:
    from stills.batch.manifest_entry import Failure

EXIT_CODES: dict[type[StillsError], int] = {
    InvalidRequest: 2,
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
"""What a KeyboardInterrupt says if that is so."""
_MAYBE_SENT = (
    "interrupted. Run it again to finish answered calls free of charge; calls still in flight may "
    "be billed (see `stills spend`)."
)
_READER_GONE = 141  # as a shell says that a pipe's reader left
_UNEXPECTED = 1

MONEY = {
    Billing.POSSIBLE: " [possibly billed]",
    Billing.BILLED: " [billed]",
    Billing.NONE: "",
}


def exit_code(error: StillsError) -> int:
    """Look up the exit code of an error's branch of the tree."""
    return next((code for kind, code in EXIT_CODES.items() if isinstance(error, kind)), 1)


def describe(told: "StillsError | Failure") -> str:
    """Say what happened, what it means for money, and what to do."""
    request_id = f" (request id {told.request_id})" if told.request_id else ""
    return f"{told.message.rstrip('.')}{MONEY[told.billing]}{request_id}. {told.action}"


def report(error: BaseException, stream: TextIO) -> int:
    """Print an error with what to do about it, in one line; give the exit code."""
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
    """Say that standard output took no more; give the exit code."""
    if isinstance(error, BrokenPipeError):
        return _READER_GONE
    refused = OutputRefused(
        f"standard output can't be written: {error.strerror}",
        action="What is kept stays kept; `stills list` shows it.",
    )
    return report(refused, stream)


def report_interrupt(interrupt: KeyboardInterrupt) -> int:
    """Say what an interruption left behind; return the exit code."""
    print(f"stills: {interrupt.args[0] if interrupt.args else _MAYBE_SENT}", file=sys.stderr)
    return INTERRUPTED
