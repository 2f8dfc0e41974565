"""Machines whose clocks differ, and which share one catalog in Postgres."""

import itertools
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

PER_SECOND, EACH = 20.0, 40
CLOCKS = ("-1s", "+0s", "+1s")
ROOT = Path(__file__).parents[2]


@pytest.fixture
def machines(postgres_url) -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that are about to start calls, each with a clock of its own."""
    program = [sys.executable, "-m", "tests.support.limited_starts"]
    started = [
        subprocess.Popen(
            [
                *("faketime", "--exclude-monotonic", "-f", clock),
                *(*program, postgres_url.secret, str(PER_SECOND), str(EACH)),
            ],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for clock in CLOCKS
    ]
    yield started
    for process in started:
        process.kill()
        process.communicate()


def test_clocks_that_differ_do_not_change_the_rate(machines):
    """The limit holds for all of them together, and no call starts before its time."""
    clocks = [float(process.stdout.readline()) for process in machines]
    assert max(clocks) - min(clocks) > 1.0
    for process in machines:
        process.stdin.write("begin\n")
        process.stdin.flush()
    ended = [json.loads(process.communicate(timeout=300)[0]) for process in machines]
    assert [len(starts) for starts in ended] == [EACH] * len(CLOCKS)
    right_ahead = time.time() - time.monotonic()  # the server has this machine's clock
    starts = sorted(itertools.chain(*ended))
    assert all(started + right_ahead >= at - 0.01 for at, started in starts)
    gaps = [later[0] - earlier[0] for earlier, later in itertools.pairwise(starts)]
    assert min(gaps) >= 1 / PER_SECOND
    rate = len(gaps) / (starts[-1][0] - starts[0][0])
    print(f"{rate:.2f} calls per second of {PER_SECOND}")
    assert rate <= 1.05 * PER_SECOND
