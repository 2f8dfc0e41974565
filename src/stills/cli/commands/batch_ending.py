"""How a batch ended."""

from dataclasses import dataclass
from pathlib import Path

from stills.batch.totals import RunTotals


@dataclass(frozen=True, slots=True)
class Ending:
    """Where the results are, and how far the run got; `interrupts` counts Ctrl-C.

    `stopped_because` is None unless the run itself stopped early.
    """

    folder: Path
    totals: RunTotals
    stopped_because: str | None
    interrupts: int
