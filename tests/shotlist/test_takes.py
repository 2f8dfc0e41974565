"""The takes of shots: which shots they become."""

import pytest

from stills.contract.models import SEED_MAX
from stills.shotlist.reader import read_shots
from stills.shotlist.shots import Defaults, Problem


@pytest.fixture
def read(tmp_path):
    def write_and_read(name, content, takes=None):
        path = tmp_path / name
        path.write_text(content, encoding="utf-8")
        return list(read_shots(path, Defaults(size="64*64", takes=takes)))

    return write_and_read


def test_each_take_is_a_shot_with_the_next_seed(read):
    """The first keeps the id of its shot, so files and references to it stay as they are."""
    items = read("a.csv", f"id,prompt,seed,takes\npier,x,5,3\nsea,x,{SEED_MAX},2\n")
    assert [(one.id, one.request.seed, one.take, one.take_of) for one in items] == [
        ("pier", 5, 1, None),
        ("pier-2", 6, 2, "pier"),
        ("pier-3", 7, 3, "pier"),
        ("sea", SEED_MAX, 1, None),
        ("sea-2", 0, 2, "sea"),
    ]


def test_the_command_line_applies_to_rows_without_takes(read):
    """It does not apply to portraits."""
    items = read(
        "a.yaml",
        "cast: {anna: tall}\nshots: [{id: a, prompt: x, cast: anna}, {id: b, prompt: x, takes: 1}]",
        takes=2,
    )
    assert [one.id for one in items] == ["cast-anna", "a", "a-2", "b"]
    assert items[2].needs == ("cast-anna",)


@pytest.mark.parametrize("takes", ["0", "17", "two", "1.5", "true"])
def test_an_invalid_number_of_takes_is_a_problem(read, takes):
    """The problem names the column and the limit."""
    (problem,) = read("a.csv", f"prompt,takes\nx,{takes}\n")
    assert problem.field == "takes"
    assert "1 to 16" in problem.action


def test_a_take_may_be_a_reference_of_another_shot(read):
    """A take that doesn't exist is one problem, whatever the number of takes that need it."""
    rows = "a,x,2,\nb,x,2,a-2\nc,x,3,a-3\n"
    items = read("a.csv", f"id,prompt,takes,reference_shot\n{rows}")
    assert [one.needs for one in items if not isinstance(one, Problem)][2:4] == [("a-2",)] * 2
    (problem,) = [one for one in items if isinstance(one, Problem)]
    assert (problem.source, problem.shot_id) == ("a.csv:4", "c")


def test_a_cycle_through_a_take_is_a_problem(read):
    """The takes of a shot need what the shot needs."""
    items = read("a.csv", "id,prompt,takes,reference_shot\na,x,2,b\nb,x,1,a-2\n")
    assert [one.field for one in items if isinstance(one, Problem)] == ["reference_shot"]


def test_a_take_cannot_have_the_id_of_another_shot(read):
    """The other takes of a duplicate shot are part of its problem."""
    items = read("a.csv", "id,prompt,takes\na-2,x,1\na,x,2\na,y,5\nb,x,1\n")
    assert [one.id for one in items if not isinstance(one, Problem)] == ["a-2", "a", "b"]
    take, shot = (one for one in items if isinstance(one, Problem))
    assert take.message == "duplicate id 'a-2' of take 2 of 'a', already used in a.csv:2"
    assert shot.message == "duplicate id 'a', already used in a.csv:3"
