"""Prices, caps, and what was spent; all in USD."""

import math
from dataclasses import dataclass
from enum import StrEnum

from stills.contract.errors import InvalidRequest


@dataclass(frozen=True, slots=True)
class Caps:
    """What may be spent at most; None is no cap.

    `day_usd` is for all images of one provider on a UTC day, `request_usd` for all sends of one,
    `payer_day_usd` for what `payer` asks of one provider on a UTC day.
    """

    day_usd: float | None = None
    request_usd: float | None = None
    payer: str | None = None
    payer_day_usd: float | None = None


def check_max_cost(given: object) -> None:
    """Refuse what is no cap on costs.

    Raises:
        InvalidRequest: it is neither None nor a number of US dollars.
    """
    if given is None:
        return
    is_number = isinstance(given, int | float) and not isinstance(given, bool)
    if not is_number or not 0 <= float(given) < math.inf:  # type: ignore[arg-type] # a number
        raise InvalidRequest(
            f"the maximum cost is {str(given)[:40]!r}",
            field="max_cost",
            action="Give --max-cost (max_cost_usd) a number of US dollars, such as 0.075.",
        )


class SpendBy(StrEnum):
    """What spending is told apart by, besides the provider."""

    DAY = "day"
    MODEL = "model"
    STYLE = "style"


@dataclass(frozen=True, slots=True)
class SpendLine:
    """What was spent on one group of images, in number and USD.

    `possible` counts sends whose outcome is unknown, those in flight included; `saved` the answers
    that the catalog gave for nothing. `unpriced` says how many of all these have no known price
    and count for 0 USD.
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
