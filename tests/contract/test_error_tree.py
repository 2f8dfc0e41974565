"""The tree of errors."""

import copy
import pickle
import re

import pytest

from stills.contract import errors
from stills.contract.errors import Billing, InvalidRequest, RateLimited, StillsError

CLASSES = [
    one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, StillsError)
]


def documented_tree() -> dict[str, str | None]:
    """Read each class and its parent out of the drawing in the module's docstring."""
    parents: dict[str, str | None] = {"StillsError": None}
    at_depth = {0: "StillsError"}
    for line in (errors.__doc__ or "").splitlines():
        drawn = re.match(r"([│ ]*)[├└]── (\w+)", line)
        if drawn:
            depth = len(drawn[1]) // 4 + 1
            at_depth[depth] = drawn[2]
            parents[drawn[2]] = at_depth[depth - 1]
    return parents


def test_the_docstring_draws_the_whole_tree():
    """Every class is drawn under its parent, and nothing is drawn that isn't there."""
    built = {
        one.__name__: None if one is StillsError else one.__bases__[0].__name__ for one in CLASSES
    }
    assert documented_tree() == built


def test_codes_are_unique_words():
    """Programs tell errors apart by their codes."""
    codes = [one.code for one in CLASSES]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", code) for code in codes)


@pytest.mark.parametrize("error_class", CLASSES)
class TestEachError:
    def test_it_says_what_happened_and_what_to_do(self, error_class):
        """The class docstring is the default message, and the action is a sentence."""
        error = error_class()
        assert error.message == str(error) == error_class.__doc__.splitlines()[0]
        assert re.fullmatch(r"[A-Z].+\.", error.message)
        assert re.fullmatch(r"[A-Z].+\.", error.action)
        assert isinstance(error.retryable, bool)
        assert error.billing is Billing.NONE

    def test_it_has_its_own_code_and_docstring(self, error_class):
        """Nothing that names the error is inherited by accident."""
        assert "code" in vars(error_class)
        assert error_class.__doc__ not in {base.__doc__ for base in error_class.__mro__[1:]}

    def test_it_survives_pickling_and_copying(self, error_class):
        """Process pools hand errors on with all their facts."""
        error = error_class("the message")
        vars(error).update(
            action="Do that.", billing=Billing.POSSIBLE, request_id="r-1", added="a fact"
        )
        for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
            assert type(twin) is error_class
            assert str(twin) == "the message"
            assert vars(twin) == vars(error)


def test_given_facts_win_over_defaults():
    """Message, action and billing are those of the case at hand."""
    error = StillsError("m", action="Act.", billing=Billing.BILLED, request_id="r")
    assert (error.message, error.action) == ("m", "Act.")
    assert (error.billing, error.request_id) == (Billing.BILLED, "r")
    assert InvalidRequest("m", field="size").field == "size"
    assert RateLimited(retry_after_seconds=2.5).retry_after_seconds == 2.5
