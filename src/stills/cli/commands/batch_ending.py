"""How a batch ended."""

from dataclasses import dataclass
from pathlib import Path

from stills.batch.totals import RunTotals


@dataclass(frozen=True, slots=True)
class Ending:
    """Where the results are, and how far the run got; `interrupts` counts Ctrl-C.

    `stopped_because` is None unless the run itself stopped early. `history` is the folder with the
    board that was there before, if the run replaced any of its pictures.
    """

    folder: Path
    totals: RunTotals
    stopped_because: str | None
    interrupts: int
    history: Path | None = None
