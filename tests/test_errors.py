"""`stills.errors`, the public list of errors."""

from stills import errors
from stills.contract.errors import tree


def test_every_error_is_exported():
    """No class of the tree is missing."""

    def all_subclasses(kind):
        return {kind}.union(*(all_subclasses(one) for one in kind.__subclasses__()))

    public = {
        one.__name__
        for one in all_subclasses(tree.StillsError)
        if one.__module__.startswith("stills.contract.errors")
    }
    assert public <= set(dir(errors))
