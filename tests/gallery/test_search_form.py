"""What a visitor searches for."""

import pytest

from stills.contract.errors import InvalidRequest
from stills.contract.search import ImageSearch
from stills.gallery.search_form import SearchForm


def test_the_last_day_is_included():
    """Both days are in UTC."""
    form = SearchForm.read({"q": " red  kite ", "after": "1970-01-02", "until": "1970-01-02"})
    assert form.search() == ImageSearch(
        words=("red", "kite"), since=86_400.0, before=172_800.0, largest_only=True
    )


def test_an_address_has_what_was_searched_for():
    """Fields that are empty are left out."""
    form = SearchForm.read({"q": "a&b=c", "model": "", "unknown": "x"})
    assert form.query(older="abc") == "?q=a%26b%3Dc&older=abc"
    assert SearchForm().query() == ""
    assert SearchForm().is_empty
    assert form.only(style="oil") == "?style=oil"


@pytest.mark.parametrize("day", ["yesterday", "2026-02-30", "9999-12-31", "0001-01-00"])
def test_what_is_not_a_day_is_refused(day):
    """Also the last one that there is, because no day follows it."""
    with pytest.raises(InvalidRequest) as refused:
        SearchForm(until=day).search()
    assert refused.value.field == "until"
