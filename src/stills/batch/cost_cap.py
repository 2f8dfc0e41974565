"""The cost cap of a run: no image is started that could exceed it."""

from stills.contract.errors import Billing
from stills.contract.money import to_nano_usd, to_usd


class CostCap:
    """The money of a run, counted in nano-USD, against its cap; None as `cap_usd` means no cap.

    With a cap, `price_usd` must be known.
    """

    def __init__(self, cap_usd: float | None, price_usd: float | None) -> None:
        self._cap = None if cap_usd is None else to_nano_usd(cap_usd)
        self._price = to_nano_usd(price_usd or 0.0)
        self._spent = 0
        self._reserved = 0

    @property
    def image_cap_usd(self) -> float | None:
        """The amount reserved for one image, which all its requests together must not exceed."""
        return None if self._cap is None else to_usd(self._price)

    @property
    def has_room(self) -> bool:
        """Whether one more image fits, even if everything reserved is spent."""
        return self._cap is None or self._spent + (self._reserved + 1) * self._price <= self._cap

    def reserve(self) -> None:
        """Reserve the price of one image."""
        self._reserved += 1

    def release(self) -> None:
        """Release the reservation of one image, after its requests were added with `spend`."""
        self._reserved -= 1

    def spend(self, billing: Billing) -> None:
        """Add the price of one request, unless it was certainly not billed."""
        if billing is not Billing.NONE:
            self._spent += self._price
