"""How a batch ended: by itself, or because it was interrupted."""

from dataclasses import dataclass
from pathlib import Path

from stills.batch.tally import Tally
from stills.contract.errors import StillsError


@dataclass(frozen=True, slots=True)
class Ending:
    """Where the results are, and how far the run got; `interrupts` counts Ctrl-C.

    `price_usd` is the price of one image, None if unknown.
    """

    folder: Path
    tally: Tally
    stopped_by: StillsError | None
    interrupts: int
    price_usd: float | None
