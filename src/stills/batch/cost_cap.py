"""The wallet of a run: no image is begun that could take it past its cap."""

from stills.contract.errors import Billing
from stills.contract.money import to_nano_usd, to_usd


class CostCap:
    """Money for a run, counted in nano-USD: `None` as cap is no cap.

    With a cap the price has to be known.
    """

    def __init__(self, cap_usd: float | None, price_usd: float | None) -> None:
        self._cap = None if cap_usd is None else to_nano_usd(cap_usd)
        self._price = to_nano_usd(price_usd or 0.0)
        self._spent = 0
        self._reserved = 0

    @property
    def image_cap_usd(self) -> float | None:
        """What one image may cost, all its sends together: what is reserved for it."""
        return None if self._cap is None else to_usd(self._price)

    @property
    def has_room(self) -> bool:
        """Whether one more image fits, if all that is reserved is spent."""
        return self._cap is None or self._spent + (self._reserved + 1) * self._price <= self._cap

    def reserve(self) -> None:
        """Set the price of one image aside."""
        self._reserved += 1

    def release(self) -> None:
        """Put back what was set aside for one image; its calls have been spent by then."""
        self._reserved -= 1

    def spend(self, billing: Billing) -> None:
        """Spend the price of one call, unless it surely was not billed."""
        if billing is not Billing.NONE:
            self._spent += self._price
