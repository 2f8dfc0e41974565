"""The cap of a run."""

from stills.batch.cost_cap import CostCap
from stills.contract.errors import Billing


def test_what_is_reserved_counts_until_it_is_settled():
    """Two fit at once; what was not billed makes room again."""
    wallet = CostCap(0.2, 0.1)
    wallet.reserve()
    assert wallet.has_room
    wallet.reserve()
    assert not wallet.has_room
    wallet.spend(Billing.NONE)
    wallet.release()
    assert wallet.has_room
    wallet.spend(Billing.POSSIBLE)
    wallet.release()
    wallet.reserve()
    assert not wallet.has_room


def test_many_small_prices_add_up_to_the_cap():
    """Rounding does not cost the last image."""
    wallet = CostCap(30 * 0.1, 0.1)
    for _ in range(30):
        assert wallet.has_room
        wallet.reserve()
        wallet.spend(Billing.BILLED)
        wallet.release()
    assert not wallet.has_room


def test_without_a_cap_there_is_always_room():
    """Also where no price is known."""
    wallet = CostCap(None, None)
    assert wallet.image_cap_usd is None
    for _ in range(1000):
        wallet.reserve()
    assert wallet.has_room
