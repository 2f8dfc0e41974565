"""A shot starts after the shots it needs; a failure skips only the shots that need it."""

from graphlib import TopologicalSorter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from stills.contract.request import ImageRequest
from stills.shotlist.dependencies import CYCLE_MAX, Dependencies, dependents_of, find_cycles
from stills.shotlist.shots import Shot, ShotReference

REQUEST = ImageRequest(prompt="x", size="64*64")


def shot(shot_id, *needs):
    references = tuple(ShotReference(shot=need) for need in needs)
    return Shot(shot_id, REQUEST, "a.yaml:1", references)


def ids(unblocked):
    return [one.id for one in unblocked.ready], [
        (one.shot.id, one.because) for one in unblocked.skipped
    ]


def test_a_shot_that_needs_nothing_is_ready_at_once():
    """It does not wait for anything."""
    assert ids(Dependencies(()).add(shot("a"))) == (["a"], [])


def test_a_shot_waits_for_all_it_needs():
    """It is ready once the last one is done."""
    dependencies = Dependencies({"a", "b"})
    assert ids(dependencies.add(shot("c", "a", "b"))) == ([], [])
    assert ids(dependencies.add(shot("a"))) == (["a"], [])
    assert ids(dependencies.done("a")) == ([], [])
    assert ids(dependencies.done("b")) == (["c"], [])
    assert ids(dependencies.add(shot("d", "a"))) == (["d"], [])


def test_a_failure_skips_only_the_shots_that_need_it():
    """It skips them directly or not, now or later; each names the shot it needed."""
    dependencies = Dependencies({"a", "b", "x"})
    dependencies.add(shot("b", "a"))
    dependencies.add(shot("c", "b"))
    dependencies.add(shot("y", "x"))
    assert ids(dependencies.failed("a")) == ([], [("b", "a"), ("c", "b")])
    assert ids(dependencies.add(shot("d", "b"))) == ([], [("d", "b")])
    assert ids(dependencies.done("x")) == (["y"], [])


def test_a_shot_whose_need_is_never_added_is_stranded():
    """This happens when the needed row is invalid and was skipped."""
    dependencies = Dependencies({"a"})
    dependencies.add(shot("b", "a"))
    assert [(one.shot.id, one.because) for one in dependencies.stranded()] == [("b", "a")]
    assert dependencies.stranded() == []


def test_all_dependents_of_a_shot_are_found():
    """Direct or not, each once with the shot it needs, also in a cycle."""
    needs = {"b": ["a"], "c": ["b", "a"], "d": ["c", "x"], "y": ["x"], "a": ["d"]}
    assert dependents_of(["a"], needs) == {"b": "a", "c": "a", "d": "c"}
    assert dependents_of([], needs) == {}


def test_cycles_are_listed_in_the_order_of_needs():
    """All are found; a very long one is cut."""
    assert list(find_cycles({"a": ["b"], "b": ["c"]})) == []
    assert list(find_cycles({"a": ["a"]})) == [["a", "a"]]
    needs = {"x": ["a"], "a": ["b"], "b": ["c"], "c": ["a", "z"], "d": ["e", "x"], "e": ["d"]}
    assert list(find_cycles(needs)) == [["a", "b", "c", "a"], ["d", "e", "d"]]
    ring = {str(n): [str((n + 1) % 5000)] for n in range(5000)}
    (cycle,) = find_cycles(ring)
    assert cycle == [str(n) for n in range(CYCLE_MAX)] + ["0"]


@given(st.dictionaries(st.integers(0, 7), st.lists(st.integers(0, 9), max_size=3)))
def test_without_the_first_shot_of_each_cycle_none_is_left(graph):
    """Each result is a cycle, and the rest can be sorted."""
    needs = {str(shot): [str(need) for need in wanted] for shot, wanted in graph.items()}
    cycles = list(find_cycles(needs))
    for cycle in cycles:
        assert cycle[0] == cycle[-1]
        assert all(other in needs[one] for one, other in pairwise(cycle))
    firsts = {cycle[0] for cycle in cycles}
    left = {shot: set(wanted) - firsts for shot, wanted in needs.items() if shot not in firsts}
    TopologicalSorter(left).prepare()


@given(st.lists(st.sets(st.integers(0, 11), max_size=3), max_size=12), st.sets(st.integers(0, 11)))
def test_every_shot_is_done_or_skipped_once(needs, failing):
    """This holds for any graph without cycles and any failures; needs always come first."""
    shots = [
        shot(str(n), *(str(need) for need in wanted if need > n)) for n, wanted in enumerate(needs)
    ]
    dependencies = Dependencies({need for one in shots for need in one.needs})
    finished, skipped = [], []
    queue = []
    for one in shots:
        unblocked = dependencies.add(one)
        queue += unblocked.ready
        skipped += unblocked.skipped
        while queue:
            current = queue.pop()
            assert set(current.needs) <= set(finished)
            if int(current.id) in failing:
                skipped.append(current)
                unblocked = dependencies.failed(current.id)
            else:
                finished.append(current.id)
                unblocked = dependencies.done(current.id)
            queue += unblocked.ready
            skipped += unblocked.skipped
    skipped += dependencies.stranded()
    assert len(finished) + len(skipped) == len(shots)
