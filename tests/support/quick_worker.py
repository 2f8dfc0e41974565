"""`stills worker` that is taken for dead sooner: SECONDS, then the options of the command."""

import sys
from pathlib import Path

from stills.cli.commands import worker
from stills.cli.main import build_parser

QUICK_WORKER = Path(__file__)

if __name__ == "__main__":
    silent_seconds, *options = sys.argv[1:]
    parsed = build_parser().parse_args(["worker", *options])
    sys.exit(worker.run(parsed, silent_seconds=float(silent_seconds)))
