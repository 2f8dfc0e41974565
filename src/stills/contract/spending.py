"""What was spent, as reported."""

from dataclasses import dataclass
from enum import StrEnum


class SpendBy(StrEnum):
    """What spending is grouped by, in addition to the provider."""

    DAY = "day"
    MODEL = "model"
    STYLE = "style"


@dataclass(frozen=True, slots=True)
class SpendLine:
    """Spending on one group of images, as numbers of images and USD.

    `possible` counts calls with an unknown outcome, including those in flight, and `saved` free
    answers from the catalog. The amounts leave out the images of unknown price: `billed_unpriced`
    of those billed, and so on, `unpriced` in all.
    """

    provider: str
    group: str
    billed: int
    billed_usd: float
    possible: int
    possible_usd: float
    saved: int
    saved_usd: float
    unpriced: int
    billed_unpriced: int = 0
    possible_unpriced: int = 0
    saved_unpriced: int = 0


@dataclass(frozen=True, slots=True)
class JobSpend:
    """What the calls of a job cost, in images and USD.

    `possible` calls may be billed, also those in flight. The amounts leave out images of unknown
    price: `unpriced` of those billed, `possible_unpriced` of the others.
    """

    billed: int = 0
    billed_usd: float = 0.0
    unpriced: int = 0
    possible: int = 0
    possible_usd: float = 0.0
    possible_unpriced: int = 0
