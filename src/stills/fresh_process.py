"""Answer a request in a new Python process, because libvips can't be used after a fork."""

import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from stills.contract.errors import Billing, ToolFailed

_PROGRAM = (
    "import pickle, sys; sys.path[:], call = pickle.load(sys.stdin.buffer); "
    "from stills.fresh_process import answer; answer(call)"
)


def run_in_fresh_process(work: Callable[..., Any], *args: object, **options: object) -> Any:  # noqa: ANN401 - what `work` returns
    """Call a module's function in a new process; return what it returns, raise what it raises.

    Raises:
        ToolFailed: the process ended without an answer.
    """
    call = pickle.dumps((work, args, options))
    process = subprocess.Popen(  # noqa: S603 - the program is our own
        [sys.executable, "-c", _PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        written, _ = process.communicate(pickle.dumps((sys.path, call)))
    except KeyboardInterrupt:  # the new process gets it too, and finishes the request
        process.communicate()  # it can't end before its answer is read
        raise
    if not written:
        raise ToolFailed(
            f"the process that generates images for this forked worker ended with "
            f"exit code {process.returncode} and no answer",
            action="Retry: if the image was made, that is free.",
            billing=Billing.POSSIBLE,
        )
    value, error = pickle.loads(written)  # noqa: S301 - our own process wrote it
    if error is not None:
        raise error
    return value


def answer(call: bytes) -> None:
    """Run a pickled call and write its value or exception to standard output."""
    answers, sys.stdout = sys.stdout.buffer, sys.stderr  # nothing else may write there
    work, args, options = pickle.loads(call)  # noqa: S301 - our own process wrote it
    value, error = None, None
    try:
        value = work(*args, **options)
    except Exception as raised:  # noqa: BLE001 - the caller gets it
        error = raised
    answers.write(pickle.dumps((value, error)))
    answers.flush()
