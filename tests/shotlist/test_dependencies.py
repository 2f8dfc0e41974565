"""What is needed is drawn first; what fails takes down only what needs it."""

from graphlib import TopologicalSorter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from stills.contract.request import ImageRequest
from stills.shotlist.dependencies import CYCLE_MAX, Dependencies, dependents_of, find_cycles
from stills.shotlist.shots import Shot

REQUEST = ImageRequest(prompt="x", size="64*64")


def shot(shot_id, *needs):
    return Shot(shot_id, REQUEST, "a.yaml:1", needs=needs)


def ids(release):
    return [one.id for one in release.ready], [
        (one.shot.id, one.because) for one in release.skipped
    ]


def test_a_shot_that_needs_nothing_is_ready_at_once():
    """Nothing is kept of it."""
    assert ids(Dependencies(()).admit(shot("a"))) == (["a"], [])


def test_a_shot_waits_for_all_it_needs():
    """And is ready as soon as the last is done."""
    order = Dependencies({"a", "b"})
    assert ids(order.admit(shot("c", "a", "b"))) == ([], [])
    assert ids(order.admit(shot("a"))) == (["a"], [])
    assert ids(order.done("a")) == ([], [])
    assert ids(order.done("b")) == (["c"], [])
    assert ids(order.admit(shot("d", "a"))) == (["d"], [])


def test_a_failure_takes_down_what_needs_it_and_no_other():
    """Directly or not, sooner or later; each says why."""
    order = Dependencies({"a", "b", "x"})
    order.admit(shot("b", "a"))
    order.admit(shot("c", "b"))
    order.admit(shot("y", "x"))
    assert ids(order.failed("a")) == ([], [("b", "a"), ("c", "b")])
    assert ids(order.admit(shot("d", "b"))) == ([], [("d", "b")])
    assert ids(order.done("x")) == (["y"], [])


def test_what_waits_for_a_shot_that_never_comes_is_given_up():
    """As when its row was skipped for being invalid."""
    order = Dependencies({"a"})
    order.admit(shot("b", "a"))
    assert [(one.shot.id, one.because) for one in order.stranded()] == [("b", "a")]
    assert order.stranded() == []


def test_all_that_hangs_on_a_shot_is_found():
    """Directly or not, each with the one it needs; nothing twice, in a circle neither."""
    needs = {"b": ["a"], "c": ["b", "a"], "d": ["c", "x"], "y": ["x"], "a": ["d"]}
    assert dependents_of(["a"], needs) == {"b": "a", "c": "a", "d": "c"}
    assert dependents_of([], needs) == {}


def test_circles_are_found_in_the_order_of_needing():
    """All of them, at once; a very long one is cut off."""
    assert list(find_cycles({"a": ["b"], "b": ["c"]})) == []
    assert list(find_cycles({"a": ["a"]})) == [["a", "a"]]
    needs = {"x": ["a"], "a": ["b"], "b": ["c"], "c": ["a", "z"], "d": ["e", "x"], "e": ["d"]}
    assert list(find_cycles(needs)) == [["a", "b", "c", "a"], ["d", "e", "d"]]
    ring = {str(n): [str((n + 1) % 5000)] for n in range(5000)}
    (cycle,) = find_cycles(ring)
    assert cycle == [str(n) for n in range(CYCLE_MAX)] + ["0"]


@given(st.dictionaries(st.integers(0, 7), st.lists(st.integers(0, 9), max_size=3)))
def test_without_the_first_of_each_circle_there_is_none_left(graph):
    """Each is one, and what is left can be put in an order."""
    needs = {str(shot): [str(need) for need in wanted] for shot, wanted in graph.items()}
    cycles = list(find_cycles(needs))
    for cycle in cycles:
        assert cycle[0] == cycle[-1]
        assert all(other in needs[one] for one, other in pairwise(cycle))
    firsts = {cycle[0] for cycle in cycles}
    left = {shot: set(wanted) - firsts for shot, wanted in needs.items() if shot not in firsts}
    TopologicalSorter(left).prepare()


@given(st.lists(st.sets(st.integers(0, 11), max_size=3), max_size=12), st.sets(st.integers(0, 11)))
def test_every_shot_is_drawn_or_skipped_once_in_any_order(needs, failing):
    """With any graph without circles, and any failures; nothing before what it needs."""
    shots = [
        shot(str(n), *(str(need) for need in wanted if need > n)) for n, wanted in enumerate(needs)
    ]
    order = Dependencies({need for one in shots for need in one.needs})
    drawn, gone = [], []
    queue = []
    for one in shots:
        release = order.admit(one)
        queue += release.ready
        gone += release.skipped
        while queue:
            current = queue.pop()
            assert set(current.needs) <= set(drawn)
            if int(current.id) in failing:
                gone.append(current)
                release = order.failed(current.id)
            else:
                drawn.append(current.id)
                release = order.done(current.id)
            queue += release.ready
            gone += release.skipped
    gone += order.stranded()
    assert len(drawn) + len(gone) == len(shots)
