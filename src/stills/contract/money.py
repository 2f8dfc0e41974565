"""Amounts of money, and caps on them.

Amounts named `..._usd` are US dollars, as in JSON. They are added and compared in
nano-USD, whole billionths of a dollar, because binary fractions are not exact.
"""

import math
from dataclasses import dataclass
from decimal import Decimal

from stills.contract.errors import BudgetExceeded, InvalidRequest

DECIMALS = 9
"""The number of exact decimals of a US dollar."""

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
    """Convert nano-USD to US dollars, as the float with the shortest decimal form."""
    usd: float = nano_usd / _NANO
    return usd


def add_usd(*amounts_usd: float) -> float:
    """Add amounts exactly."""
    return to_usd(sum(map(to_nano_usd, amounts_usd)))


def format_usd(usd: float) -> str:
    """Format an amount, such as `12.31 USD` or `0.075 USD`."""
    if not math.isfinite(usd):
        return f"{usd} USD"
    whole, rest = divmod(abs(to_nano_usd(usd)), _NANO)
    decimals = f"{rest:0{DECIMALS}}".rstrip("0").ljust(2, "0")
    return f"{'-' if usd < 0 else ''}{whole}.{decimals} USD"


def format_amount(usd: float, unpriced: int) -> str:
    """Format a sum that does not include `unpriced` images, because their prices are unknown.

    Such as `0.12 USD plus 3 images of unknown price`.
    """
    if not unpriced:
        return format_usd(usd)
    images = "1 image" if unpriced == 1 else f"{unpriced} images"
    return f"{f'{format_usd(usd)} plus ' if usd else ''}{images} of unknown price"


@dataclass(frozen=True, slots=True)
class Caps:
    """Limits on spending in USD; None: no limit.

    `day_usd` limits all images of one provider on a UTC day, `request_usd` all calls for one
    image, and `payer_day_usd` the images of one provider that `payer` requests on a UTC day. `job`
    limits all calls of a durable job.
    """

    day_usd: float | None = None
    request_usd: float | None = None
    payer: str | None = None
    payer_day_usd: float | None = None
    job: "JobBudget | None" = None


@dataclass(frozen=True, slots=True)
class JobBudget:
    """The durable job that a call belongs to, and what all its calls may cost; None: no limit.

    If a worker was killed during a call, its outcome is unknown: the job does not make the same
    image again, unless that happened at most `accepted_unknown` times.
    """

    id: str
    usd: float | None = None
    accepted_unknown: int = 0


def check_max_cost(given: object) -> None:
    """Check a maximum cost.

    Raises:
        InvalidRequest: it is neither None nor a finite number of 0 or more.
    """
    if given is None:
        return
    is_number = isinstance(given, int | float) and not isinstance(given, bool)
    if not is_number or not 0 <= float(given) < math.inf:  # type: ignore[arg-type] # a number
        raise InvalidRequest(
            f"the maximum cost is {str(given)[:40]!r}",
            field="max_cost",
            action="Set --max-cost (max_cost_usd) to a number of US dollars, such as 0.075.",
        )


def unknown_price(model_id: str) -> BudgetExceeded:
    """Return the error for a model of unknown price under a cap."""
    return BudgetExceeded(
        f"the price of {model_id} is unknown, so the cap can't be enforced",
        action=(
            "Nothing was sent. Set STILLS_PRICE_USD to the price of one image, or add the model's "
            "prices to a file and set STILLS_MODELS."
        ),
    )
