"""Sizes that an option gives for all rows."""

import pytest

from stills.contract.errors import InvalidRequest
from stills.shotlist.sizes import check_size


@pytest.mark.parametrize("size", ["1024*1024", "64x64", "2k", " 4K "])
def test_a_size_that_rows_could_take_is_fine(size):
    """With 1K, 2K and 4K each row brings its own shape."""
    check_size(size)


@pytest.mark.parametrize("size", ["", "abc", "3K", "9*9"])
def test_a_size_that_no_row_could_take_is_refused_once(size):
    """Not with every row."""
    with pytest.raises(InvalidRequest, match="size"):
        check_size(size)
