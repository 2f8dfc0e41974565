"""The workers of `stills serve` on a machine that is busy."""

from collections.abc import Callable
from pathlib import Path

from tests.support.serve_process import Server

KITE = {"prompt": "a red kite", "size": "512*512", "seed": 7}
SLOW_START = """
import sys, time
if "--multiprocessing-fork" in sys.orig_argv:
    time.sleep(8)
"""


def test_workers_that_start_slowly_are_not_killed(
    serve: Callable[..., Server], service, tmp_path: Path
):
    """Otherwise others start in their place, just as slowly, and none ever answers."""
    folder = tmp_path / "slow"
    folder.mkdir()
    folder.joinpath("sitecustomize.py").write_text(SLOW_START)
    server = serve("--workers", "2", **service.variables, PYTHONPATH=str(folder))
    assert server.ask(KITE)["seed"] == 7
