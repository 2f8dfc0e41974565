"""`stills.errors`, the public list of errors."""

import pickle
import traceback

import pytest

from stills import errors
from stills.contract.errors import tree


def test_every_error_is_exported():
    """No class of the tree is missing."""

    def all_subclasses(kind):
        return {kind}.union(*(all_subclasses(one) for one in kind.__subclasses__()))

    public = {
        one.__name__
        for one in all_subclasses(tree.StillsError)
        if one.__module__ == "stills.errors"
    }
    assert public <= set(dir(errors))


def test_a_traceback_names_the_public_module():
    """Its name is the one to catch, and a pickled error finds it again."""
    classes = [one for one in vars(errors).values() if isinstance(one, type)]
    assert errors.ConnectionLost in classes
    assert {one.__module__ for one in classes} == {"stills.errors"}
    with pytest.raises(errors.MissingKey) as raised:
        raise pickle.loads(pickle.dumps(errors.MissingKey()))
    shown = traceback.format_exception_only(raised.value)
    assert shown[0] == "stills.errors.MissingKey: No API key was given.\n"
