"""Reading our own shot lists: the defaults that shots share, and the cast."""

import pytest

from stills.shotlist.reader import read_shots
from stills.shotlist.shot_builder import derive_seed
from stills.shotlist.shots import Defaults, Problem, Shot, ShotReference

PROJECT = """
title: The lighthouse
size: 1280*720
style: ink wash
negative_prompt: blurry
seed: 7
cast:
  anna: a tall woman in a yellow coat
  dog: {prompt: a small grey dog, size: 512*512, seed: 3, style: pencil}
  boat: {image: boat.png}
  nobody: is never seen
shots:
- {id: harbour, prompt: anna walks the dog, cast: [anna, dog]}
- {id: sea, prompt: the boat, cast: boat, size: 640*360, style: oil, seed: 1, negative_prompt: fog}
- {prompt: the same at night, reference_shot: harbour}
"""


@pytest.fixture
def read(tmp_path):
    """Read a shot list in YAML: its shots by id, its problems, the list itself."""

    def write_and_read(text, defaults=None):
        path = tmp_path / "shots.yaml"
        path.write_text(text, encoding="utf-8")
        shot_list = read_shots(path, defaults)
        items = list(shot_list)
        shots = {item.id: item for item in items if isinstance(item, Shot)}
        return shots, [item for item in items if isinstance(item, Problem)], shot_list

    return write_and_read


def test_portraits_of_the_members_in_shots_come_first(read):
    """Other members get no portrait, and a note says so."""
    shots, problems, shot_list = read(PROJECT)
    assert not problems
    assert list(shots) == ["cast-anna", "cast-dog", "harbour", "sea", "shot-0003"]
    assert [shot.id for shot in shots.values() if shot.is_portrait] == ["cast-anna", "cast-dog"]
    assert any("nobody" in note for note in shot_list.notes)
    assert shot_list.title == "The lighthouse"


def test_a_shot_needs_its_cast_and_the_shot_it_names(read, tmp_path):
    """Needs are in the written order; a member's image is used as it is."""
    shots, _, _ = read(PROJECT)
    assert shots["harbour"].needs == ("cast-anna", "cast-dog")
    assert [(one.member, one.description) for one in shots["harbour"].references] == [
        ("anna", "a tall woman in a yellow coat"),
        ("dog", "a small grey dog"),
    ]
    assert shots["sea"].needs == ()
    assert shots["sea"].references == (
        ShotReference(image=str(tmp_path / "boat.png"), member="boat"),
    )
    assert shots["shot-0003"].needs == ("harbour",)


def test_precedence_is_row_then_command_line_then_project(read):
    """It is the same for shots and portraits."""
    shots, _, _ = read(PROJECT, Defaults(size="64*64", seed=9))
    sea, harbour, dog = shots["sea"].request, shots["harbour"].request, shots["cast-dog"].request
    assert (sea.size, sea.style, sea.seed, sea.negative_prompt) == ("640*360", "oil", 1, "fog")
    assert (harbour.size, harbour.style, harbour.negative_prompt) == ("64*64", "ink wash", "blurry")
    assert harbour.seed == derive_seed(9, "harbour")
    assert (dog.size, dog.style, dog.seed) == ("512*512", "pencil", 3)
    assert shots["cast-anna"].request.size == "64*64"


def test_a_derived_seed_depends_only_on_project_and_id(read):
    """Changing the derivation would generate and bill every image again."""
    assert derive_seed(0, "shot-0001") == 1418985612
    assert derive_seed(7, "harbour") == read(PROJECT)[0]["harbour"].request.seed
    assert derive_seed(0, "x") != derive_seed(1, "x")


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("sise: 64*64\nshots: [{prompt: x, size: 64*64}]", "sise"),
        ("size: big\nshots: [{prompt: x, size: 64*64}]", "size"),
        ("size: 5\nshots: [{prompt: x, size: 64*64}]", "size"),
        ("seed: -1\nshots: [{prompt: x, size: 64*64}]", "seed"),
        ("cast: [anna]\nshots: [{prompt: x, size: 64*64}]", "cast"),
        ("cast: {anna: {}}\nshots: [{prompt: x, size: 64*64}]", "cast"),
        ("cast: {anna: {promt: x}}\nshots: [{prompt: x, size: 64*64}]", "promt"),
        ("cast: {anna: tall}\nshots: [{prompt: x, size: 64*64, cast: ana}]", "cast"),
        ("shots: [{prompt: x, size: 64*64, reference_shot: y}]", "reference_shot"),
        ("shots: [{prompt: x, size: 64*64, id: a, reference_shot: a}]", "reference_shot"),
    ],
)
def test_an_invalid_project_field_is_a_problem(read, text, field):
    """The problem has the field and a fix."""
    _, problems, _ = read(text)
    assert [problem.field for problem in problems] == [field]
    assert problems[0].action


def test_an_unknown_name_gets_a_suggestion(read):
    """It works for members of the cast and for shots."""
    _, problems, _ = read("cast: {anna: tall}\nshots: [{prompt: x, size: 64*64, cast: ana}]")
    assert "Did you mean anna?" in problems[0].action
    _, problems, _ = read("shots: [{id: sea, prompt: x, size: 64*64, reference_shot: see}]")
    assert "Did you mean sea?" in problems[0].action


def test_a_cycle_is_one_problem_with_its_names(read):
    """Each shot needs the next."""
    _, problems, _ = read(
        "size: 64*64\nshots:\n"
        "- {id: a, prompt: x, reference_shot: b}\n"
        "- {id: b, prompt: x, reference_shot: c}\n"
        "- {id: c, prompt: x, reference_shot: a}\n"
    )
    assert len(problems) == 1
    assert sorted(set(problems[0].message.split(" needs "))) == ["a", "b", "c"]
    first, second = problems[0].message.split(" needs ")[:2]
    assert {"a": "b", "b": "c", "c": "a"}[first] == second


def test_a_cycle_in_a_table_is_a_problem(tmp_path):
    """Rows may name later rows; only the cycle is reported."""
    path = tmp_path / "a.csv"
    path.write_text(
        "id,prompt,size,reference_shot\na,x,64*64,b\nb,x,64*64,\nc,x,64*64,d\nd,x,64*64,c\n",
        encoding="utf-8",
    )
    problems = [item for item in read_shots(path) if isinstance(item, Problem)]
    assert [problem.source for problem in problems] in (["a.csv:4"], ["a.csv:5"])
