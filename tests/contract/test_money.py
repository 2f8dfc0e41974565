"""Amounts of money: exact sums and their text."""

import json
import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stills.batch.cost_cap import CostCap
from stills.batch.totals import RunTotals
from stills.contract.errors import Billing
from stills.contract.generation import GenerationSpec
from stills.contract.money import DECIMALS, add_usd, format_amount, format_usd, to_nano_usd, to_usd
from stills.contract.size import Size

PRICES = st.integers(0, 10**12).map(lambda nano: Decimal(nano).scaleb(-DECIMALS))


@given(price=PRICES, count=st.integers(0, 500))
def test_any_number_of_images_at_any_price_adds_up_exactly(price: Decimal, count: int):
    """The sum has exactly the digits of the product."""
    total = add_usd(*[float(price)] * count)
    assert Decimal(json.dumps(total)) == price * count
    written = re.fullmatch(r"(\d+\.\d{2,9}) USD", format_usd(total))
    assert written is not None
    assert Decimal(written[1]) == price * count


@given(price=PRICES.filter(bool), count=st.integers(1, 200))
def test_a_cap_of_some_images_admits_exactly_those(price: Decimal, count: int):
    """A cap of 0.3 admits three images at 0.1, and not a fourth."""
    wallet = CostCap(float(price * count))
    admitted = 0
    while wallet.has_room(float(price)):
        wallet.reserve(admitted, float(price))
        wallet.spend(float(price), Billing.BILLED)
        wallet.release(admitted)
        admitted += 1
    assert admitted == count


@given(nano=st.integers(0, 10**15))
def test_an_amount_survives_json(nano: int):
    """It is written with the fewest digits."""
    assert to_nano_usd(json.loads(json.dumps(to_usd(nano)))) == nano


@pytest.mark.parametrize(
    ("usd", "written"),
    [
        (0, "0.00 USD"),
        (5, "5.00 USD"),
        (0.3, "0.30 USD"),
        (0.075, "0.075 USD"),
        (12.309999999999974, "12.31 USD"),
        (0.000000001, "0.000000001 USD"),
    ],
)
def test_amounts_are_formatted_for_people(usd: float, written: str):
    """An amount has at least cents, and no more digits than needed."""
    assert format_usd(usd) == written


@pytest.mark.parametrize(
    ("usd", "unpriced", "written"),
    [
        (0.12, 0, "0.12 USD"),
        (0.12, 3, "0.12 USD plus 3 images of unknown price"),
        (0.0, 1, "1 image of unknown price"),
    ],
)
def test_a_sum_names_what_it_leaves_out(usd: float, unpriced: int, written: str):
    """An unknown price is not zero."""
    assert format_amount(usd, unpriced) == written


def sent(price_usd: float | None) -> GenerationSpec:
    return GenerationSpec(
        key="k",
        seeded_key="s",
        provider="dashscope",
        model="qwen-image-max",
        prompt="a kite",
        style=None,
        text="a kite",
        negative_prompt=None,
        native_size=Size(1328, 1328),
        seed=1,
        references=(),
        price_usd=price_usd,
    )


def test_the_sum_of_a_long_run_has_no_rounding_noise():
    """164 images at 0.075 USD and one at 0.01 USD are 12.31 USD."""
    tally = RunTotals()
    for price_usd in [0.075] * 164 + [0.01]:
        tally = tally.add_send(sent(price_usd), Billing.BILLED)
    assert tally.usd == 12.31


def test_totals_count_images_of_unknown_price_apart():
    """Both those billed and those possibly billed."""
    tally = RunTotals()
    for price_usd, billing in [
        (0.04, Billing.BILLED),
        (None, Billing.BILLED),
        (0.043, Billing.POSSIBLE),
        (None, Billing.POSSIBLE),
        (None, Billing.NONE),
    ]:
        tally = tally.add_send(sent(price_usd), billing)
    assert (tally.usd, tally.unpriced) == (0.04, 1)
    assert (tally.possible, tally.possible_usd, tally.possible_unpriced) == (2, 0.043, 1)
