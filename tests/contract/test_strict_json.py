"""JSON that is read to the letter."""

import pytest

from stills.contract.strict_json import STRICT, RepeatedKey, explain


def test_what_is_json_is_read():
    """As Python's own reader does."""
    assert STRICT.decode(' {"a": [1, -2.5, null], "b": {"a": true}} ') == {
        "a": [1, -2.5, None],
        "b": {"a": True},
    }


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ('{"a": 1, "b": {"c": 1, "c": 2}}', "the key 'c' comes twice"),
        ("[NaN]", "NaN is no number of JSON"),
        ("[-Infinity]", "-Infinity is no number of JSON"),
        ("[" + "1" * 5000 + "]", "a number has 5000 digits"),
        ("[" * 100_000, "it is nested too deeply"),
    ],
)
def test_what_python_would_take_or_drop_is_refused(written, why):
    """In words of ours, without advice to programmers."""
    with pytest.raises((ValueError, RecursionError)) as refused:
        STRICT.decode(written)
    assert explain(refused.value) == why


def test_the_key_that_comes_twice_is_known():
    """So that a caller can be told which field it is."""
    with pytest.raises(RepeatedKey) as refused:
        STRICT.decode('{"prompt": "a", "prompt": "b"}')
    assert refused.value.key == "prompt"
