"""The wallet of a run: no image is begun that could take it past its cap."""

from stills.contract.errors import Billing

_ROUNDING_USD = 1e-9


class Wallet:
    """Money for a run: `None` as cap is no cap. With a cap the price has to be known."""

    def __init__(self, cap_usd: float | None, price_usd: float | None) -> None:
        self._cap_usd = cap_usd
        self._price_usd = price_usd or 0.0
        self._spent_usd = 0.0
        self._reserved = 0

    @property
    def image_cap_usd(self) -> float | None:
        """What one image may cost, all its sends together: what is reserved for it."""
        return None if self._cap_usd is None else self._price_usd

    @property
    def has_room(self) -> bool:
        """Whether one more image fits, if all that is reserved is spent."""
        if self._cap_usd is None:
            return True
        most_usd = self._spent_usd + (self._reserved + 1) * self._price_usd
        return most_usd <= self._cap_usd + _ROUNDING_USD

    def reserve(self) -> None:
        """Set the price of one image aside."""
        self._reserved += 1

    def release(self) -> None:
        """Put back what was set aside for one image; its calls have been spent by then."""
        self._reserved -= 1

    def spend(self, billing: Billing) -> None:
        """Spend the price of one call, unless it surely was not billed."""
        if billing is not Billing.NONE:
            self._spent_usd += self._price_usd
