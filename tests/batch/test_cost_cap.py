"""The cost cap of a run."""

from stills.batch.cost_cap import CostCap
from stills.contract.errors import Billing


def test_reservations_count_until_they_are_released():
    """Two images fit at once; one that was not billed makes room again."""
    cost_cap = CostCap(0.2)
    cost_cap.reserve(0, 0.1)
    assert cost_cap.has_room(0.1)
    cost_cap.reserve(1, 0.1)
    assert not cost_cap.has_room(0.1)
    cost_cap.spend(0.1, Billing.NONE)
    cost_cap.release(0)
    assert cost_cap.has_room(0.1)
    cost_cap.spend(0.1, Billing.POSSIBLE)
    cost_cap.release(1)
    cost_cap.reserve(2, 0.1)
    assert not cost_cap.has_room(0.1)


def test_images_have_different_prices():
    """A cheaper image may still fit, and each may cost only what was reserved for it."""
    cost_cap = CostCap(0.118)
    cost_cap.reserve(0, 0.075)
    assert not cost_cap.has_room(0.046)
    assert cost_cap.has_room(0.043)
    cost_cap.reserve(1, 0.043)
    assert (cost_cap.reserved_usd(0), cost_cap.reserved_usd(1)) == (0.075, 0.043)
    assert not cost_cap.has_room(0.000000001)


def test_many_small_prices_add_up_to_the_cap():
    """Rounding errors do not prevent the last image."""
    cost_cap = CostCap(30 * 0.1)
    for index in range(30):
        assert cost_cap.has_room(0.1)
        cost_cap.reserve(index, 0.1)
        cost_cap.spend(0.1, Billing.BILLED)
        cost_cap.release(index)
    assert not cost_cap.has_room(0.1)


def test_an_unknown_price_never_fits_under_a_cap():
    """It is not counted as zero."""
    assert not CostCap(1000.0).has_room(None)


def test_without_a_cap_there_is_always_room():
    """The price may be unknown."""
    cost_cap = CostCap(None)
    for index in range(1000):
        cost_cap.reserve(index, None)
    assert cost_cap.has_room(None)
    assert cost_cap.reserved_usd(0) is None
