"""The cost cap of a run: no image is started that could exceed it."""

from stills.contract.errors import Billing
from stills.contract.money import to_nano_usd, to_usd


class CostCap:
    """The money of a run, counted in nano-USD, against its cap; None as `cap_usd` means no cap.

    An image of unknown price never fits under a cap. Images are known by their index in the run.
    """

    def __init__(self, cap_usd: float | None) -> None:
        self._cap = None if cap_usd is None else to_nano_usd(cap_usd)
        self._spent = 0
        self._reserved: dict[int, int] = {}

    def has_room(self, price_usd: float | None) -> bool:
        """Return whether one more image fits, even if everything reserved is spent."""
        if self._cap is None:
            return True
        if price_usd is None:
            return False
        return self._spent + sum(self._reserved.values()) + to_nano_usd(price_usd) <= self._cap

    def reserve(self, index: int, price_usd: float | None) -> None:
        """Reserve the price of an image; it matters only under a cap, where it must be known."""
        if self._cap is not None and price_usd is not None:
            self._reserved[index] = to_nano_usd(price_usd)

    def reserved_usd(self, index: int) -> float | None:
        """Return what all requests for an image together may cost; None without a cap."""
        return None if self._cap is None else to_usd(self._reserved.get(index, 0))

    def release(self, index: int) -> None:
        """Release the reservation of an image, after its requests were added with `spend`."""
        self._reserved.pop(index, None)

    def spend(self, price_usd: float | None, billing: Billing) -> None:
        """Add the price of one request, unless it was certainly not billed."""
        if self._cap is not None and price_usd is not None and billing is not Billing.NONE:
            self._spent += to_nano_usd(price_usd)
