"""Prices, caps, and what was spent.

Amounts named `..._usd` are US dollars as people and JSON write them. They are added and compared in
nano-USD, whole billionths of a dollar, because binary fractions are not exact.
"""

import math
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from stills.contract.errors import InvalidRequest

DECIMALS = 9
"""How many decimals of a US dollar are exact."""

USD_MAX = 1_000_000_000.0
"""The largest amount that is stored."""

PRICE_MAX_USD = 1_000_000.0
"""The largest price of an image; the sum of thousands of them can still be stored."""

_NANO = 10**DECIMALS


def to_nano_usd(usd: float) -> int:
    """Convert US dollars to nano-USD, rounded to the nearest; 0.075 is exactly 75,000,000.

    Raises:
        ValueError: it is NaN.
        OverflowError: it is infinite.
    """
    return int(Decimal(repr(float(usd))).scaleb(DECIMALS).to_integral_value())


def to_usd(nano_usd: int) -> float:
    """Convert nano-USD to US dollars, as the float that is written with the fewest digits."""
    usd: float = nano_usd / _NANO
    return usd


def add_usd(*amounts_usd: float) -> float:
    """Add amounts exactly."""
    return to_usd(sum(map(to_nano_usd, amounts_usd)))


def format_usd(usd: float) -> str:
    """Write an amount as people do, such as `12.31 USD` or `0.075 USD`."""
    if not math.isfinite(usd):
        return f"{usd} USD"
    whole, rest = divmod(abs(to_nano_usd(usd)), _NANO)
    decimals = f"{rest:0{DECIMALS}}".rstrip("0").ljust(2, "0")
    return f"{'-' if usd < 0 else ''}{whole}.{decimals} USD"


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
