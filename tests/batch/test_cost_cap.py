"""The cost cap of a run."""

from stills.batch.cost_cap import CostCap
from stills.contract.errors import Billing


def test_reservations_count_until_they_are_released():
    """Two images fit at once; one that was not billed makes room again."""
    cost_cap = CostCap(0.2, 0.1)
    cost_cap.reserve()
    assert cost_cap.has_room
    cost_cap.reserve()
    assert not cost_cap.has_room
    cost_cap.spend(Billing.NONE)
    cost_cap.release()
    assert cost_cap.has_room
    cost_cap.spend(Billing.POSSIBLE)
    cost_cap.release()
    cost_cap.reserve()
    assert not cost_cap.has_room


def test_many_small_prices_add_up_to_the_cap():
    """Rounding errors do not prevent the last image."""
    cost_cap = CostCap(30 * 0.1, 0.1)
    for _ in range(30):
        assert cost_cap.has_room
        cost_cap.reserve()
        cost_cap.spend(Billing.BILLED)
        cost_cap.release()
    assert not cost_cap.has_room


def test_without_a_cap_there_is_always_room():
    """The price may be unknown."""
    cost_cap = CostCap(None, None)
    assert cost_cap.image_cap_usd is None
    for _ in range(1000):
        cost_cap.reserve()
    assert cost_cap.has_room
