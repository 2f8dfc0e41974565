"""Prices, caps, and what was spent; all in USD."""

from dataclasses import dataclass
from enum import StrEnum


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
