"""Strict JSON."""

import pytest

from stills.contract.strict_json import STRICT, RepeatedKey, explain


def test_valid_json_is_read():
    """The result is that of Python's own parser."""
    assert STRICT.decode(' {"a": [1, -2.5, null], "b": {"a": true}} ') == {
        "a": [1, -2.5, None],
        "b": {"a": True},
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1, "b": {"c": 1, "c": 2}}', "duplicate key 'c'"),
        ("[NaN]", "NaN is not a valid JSON number"),
        ("[-Infinity]", "-Infinity is not a valid JSON number"),
        ("[" + "1" * 5000 + "]", "a number has 5000 digits"),
        ("[" * 100_000, "it is nested too deeply"),
    ],
)
def test_what_python_accepts_or_drops_is_refused(text, message):
    """The messages are ours, not Python's, which advise programmers."""
    with pytest.raises((ValueError, RecursionError)) as refused:
        STRICT.decode(text)
    assert explain(refused.value) == message


def test_the_error_has_the_duplicate_key():
    """Callers report it as the field."""
    with pytest.raises(RepeatedKey) as refused:
        STRICT.decode('{"prompt": "a", "prompt": "b"}')
    assert refused.value.key == "prompt"
