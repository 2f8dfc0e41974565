"""Takes of a request, and their outcomes taken together."""

import asyncio
from dataclasses import replace

import pytest
from tests.support.image_results import image_result

from stills.contract.errors import Billing, InvalidRequest, RateLimited, ServiceUnavailable
from stills.contract.request import ImageRequest
from stills.contract.takes import TAKES_MAX, check_takes, list_takes, read_outcomes

KITE = ImageRequest(prompt="a red kite", size="512*512", seed=2147483646)
RESULT = image_result()


def test_seeds_count_up_and_after_the_last_comes_0():
    """The first take is the request itself."""
    takes = list_takes(KITE, takes=4, seed=KITE.seed)
    assert takes[0].request == KITE
    assert [take.request.seed for take in takes] == [2147483646, 2147483647, 0, 1]
    assert [take.drawn_seed for take in takes] == [None] * 4


def test_the_first_take_of_a_request_without_a_seed_has_none():
    """So it is the image that the request gets without takes, too."""
    unseeded = replace(KITE, seed=None)
    first, second = list_takes(unseeded, takes=2, seed=5)
    assert (first.request, first.drawn_seed) == (unseeded, 5)
    assert (second.request.seed, second.drawn_seed) == (6, None)


@pytest.mark.parametrize("given", [0, -1, TAKES_MAX + 1, True, 2.0, "2", None])
def test_a_number_of_takes_out_of_range_is_refused(given):
    """The error names the field and the range."""
    with pytest.raises(InvalidRequest, match="takes is not") as caught:
        check_takes(given)
    assert caught.value.field == "takes"
    assert "1 to 16" in caught.value.action


def test_an_error_says_which_takes_are_stored_and_covers_the_bills_of_all():
    """The first take that failed gives the class of the error."""
    late = ServiceUnavailable("the service failed", billing=Billing.POSSIBLE)
    with pytest.raises(RateLimited) as caught:
        read_outcomes([RESULT, RateLimited("too fast"), late, replace(RESULT, seed=10)])
    assert (
        caught.value.message
        == "2 of 4 images are stored (seeds 7, 10), 0.15 USD (simulated) billed for them; too fast"
    )
    assert caught.value.billing is Billing.POSSIBLE
    assert [take.seed for take in caught.value.stored_takes] == [7, 10]
    assert caught.value.has_billed_takes


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cached": True, "cost_usd": 0.0}, "nothing billed for it"),
        ({"cost_usd": None}, "an unknown amount billed for it"),
        ({"provider": "dashscope"}, "0.075 USD billed for it"),
    ],
)
def test_an_error_says_what_was_billed_for_the_others(changes, words):
    """Nothing for an image that was stored before."""
    with pytest.raises(RateLimited) as caught:
        read_outcomes([replace(RESULT, **changes), RateLimited("too fast")])
    assert caught.value.message == f"1 of 2 images is stored (seed 7), {words}; too fast"
    assert caught.value.has_billed_takes == (not changes.get("cached"))


def test_if_every_take_failed_the_message_is_that_of_the_first():
    """Nothing is stored, so there are no seeds to name."""
    with pytest.raises(RateLimited, match=r"^too fast\n"):
        read_outcomes([RateLimited("too fast"), RateLimited("too fast")])


def test_an_interruption_is_passed_on():
    """It is not one of the takes' own errors."""
    with pytest.raises(asyncio.CancelledError):
        read_outcomes([RESULT, RateLimited("too fast"), asyncio.CancelledError()])
