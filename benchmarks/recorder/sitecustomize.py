"""Notes which functions of a source tree each test enters, also in processes that the test starts.

Python imports it at the start of every process, because `mutants.py` puts its folder on
PYTHONPATH; pytest also loads it as a plugin, for how long each test takes. One line for each test
and function, written at once, because tests kill processes.

PYTEST_DONT_REWRITE: it is loaded before pytest could rewrite its asserts, and has none.
"""

import os
import sys
import threading
from contextlib import suppress

_SOURCE = os.environ["RECORD_SOURCE"]
_RECORD = os.environ["RECORD_FILE"]
_seen = set()


def _profile(frame, event, _):
    if event != "call" or not frame.f_code.co_filename.startswith(_SOURCE):
        return
    # pytest keeps the running test's name here, and every process inherits it.
    test = os.environ.get("PYTEST_CURRENT_TEST", "")
    entered = (test, frame.f_code.co_filename, frame.f_code.co_firstlineno)
    if entered not in _seen:
        _seen.add(entered)
        _write("entered", *entered)


def _write(*fields):
    with suppress(OSError):  # tests also limit what their processes may open or write
        record = os.open(_RECORD, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(record, ("\t".join(map(str, fields)) + "\n").encode())
        os.close(record)


def pytest_runtest_logreport(report):
    _write("took", f"{report.nodeid} ({report.when})", report.outcome, report.duration)


threading.setprofile(_profile)
sys.setprofile(_profile)
