"""The size of a row's image."""

import pytest

from stills.contract.errors import InvalidRequest
from stills.shotlist.shots import Defaults
from stills.shotlist.sizes import choose_size

NO_DEFAULTS = Defaults()


def choose(
    *, size=None, aspect_ratio=None, width=None, height=None, defaults: Defaults = NO_DEFAULTS
) -> str:
    return choose_size(
        size=size, width=width, height=height, aspect_ratio=aspect_ratio, defaults=defaults
    )


@pytest.mark.parametrize(
    ("given", "size"),
    [
        ({"size": "2K"}, "2K"),
        ({"size": "2K", "aspect_ratio": "16:9"}, "2736*1536"),
        ({"size": "4K", "aspect_ratio": "16:9"}, "5456*3072"),
        ({"size": "2K 16:9"}, "2K 16:9"),
        ({"size": "2K 16:9", "aspect_ratio": "16:9"}, "2K 16:9"),
        ({"size": "16:9"}, "16:9"),
        ({"aspect_ratio": "16:9"}, "1360*768"),
        ({"size": "auto"}, "auto"),
        ({"size": "auto", "aspect_ratio": "16:9"}, "1360*768"),
    ],
)
def test_a_size_may_be_a_tier_a_ratio_or_automatic(given, size):
    """What is not pixels yet is resolved by the request."""
    assert choose(**given) == size


def test_tier_and_ratio_may_come_from_the_row_and_the_project():
    """In both directions."""
    assert choose(size="2K", defaults=Defaults(aspect_ratio="16:9")) == "2736*1536"
    assert choose(aspect_ratio="16:9", defaults=Defaults(size="2K")) == "2736*1536"


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"size": "2K 16:9", "aspect_ratio": "1:1"}, "aspect_ratio"),
        ({"size": "auto", "width": 512, "height": 512}, "size"),
        ({"aspect_ratio": "0:1"}, "aspect_ratio"),
        ({}, "size"),
    ],
)
def test_sizes_that_contradict_each_other_are_refused(given, field):
    """Nothing is dropped silently."""
    with pytest.raises(InvalidRequest) as caught:
        choose(**given)
    assert caught.value.field == field
