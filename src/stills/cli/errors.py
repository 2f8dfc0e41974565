"""Errors as one line for people and an exit code for programs."""

import sys
from typing import TextIO

from stills.contract.errors import (
    AccessError,
    Billing,
    ContentRefused,
    InvalidRequest,
    LimitError,
    ServiceError,
    StillsError,
    StorageError,
    ToolError,
)

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
_UNEXPECTED = 1

_MONEY = {
    Billing.POSSIBLE: " [possibly billed]",
    Billing.BILLED: " [billed]",
    Billing.NONE: "",
}


def exit_code(error: StillsError) -> int:
    """Look up the exit code of an error's branch of the tree."""
    return next((code for kind, code in EXIT_CODES.items() if isinstance(error, kind)), 1)


def report(error: Exception, stream: TextIO) -> int:
    """Print an error with what to do about it; give the exit code."""
    if not isinstance(error, StillsError):
        print(
            f"stills: unexpected {type(error).__name__}: {str(error).rstrip('.')}. "
            "Run again with --debug and report what you see.",
            file=stream,
        )
        return _UNEXPECTED
    request_id = f" (request id {error.request_id})" if error.request_id else ""
    message = error.message.rstrip(".")
    print(f"stills: {message}{_MONEY[error.billing]}{request_id}. {error.action}", file=stream)
    return exit_code(error)


def report_interrupt() -> int:
    """Say what Ctrl-C left behind; give the exit code."""
    print(
        "stills: interrupted; what was sent is on the ledger, and asking again finishes it.",
        file=sys.stderr,
    )
    return INTERRUPTED
