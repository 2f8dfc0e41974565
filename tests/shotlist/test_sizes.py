"""Sizes that an option sets for all rows."""

import pytest

from stills.contract.errors import InvalidRequest
from stills.shotlist.sizes import check_size


@pytest.mark.parametrize("size", ["1024*1024", "64x64", "2k", " 4K "])
def test_a_size_for_all_rows_is_accepted(size):
    """With 1K, 2K or 4K, each row has its own aspect ratio."""
    check_size(size)


@pytest.mark.parametrize("size", ["", "abc", "3K", "9*9"])
def test_an_invalid_size_for_all_rows_is_refused(size):
    """It is reported once instead of with every row."""
    with pytest.raises(InvalidRequest, match="size"):
        check_size(size)
