"""Templates in prompts and styles: names in braces stand for variables, cast and columns."""

import json

import pytest

from stills.shotlist.options import ListOptions
from stills.shotlist.reader import read_shots
from stills.shotlist.shots import Defaults, Problem, Shot
from stills.shotlist.templates import FILLED_MAX_CHARACTERS

VARIABLES = {"scene": {"light": "late sun", "hour": 7}, "look": "grainy film"}
CAST = {"anna": "a tall woman", "boat": {"image": "boat.png"}}


@pytest.fixture
def read(tmp_path):
    """Read a project with variables and these rows: its shots and problems."""

    def write_and_read(*rows, variables=VARIABLES, **project):
        path = tmp_path / "film.json"
        document = {"variables": variables, "cast": CAST, "size": "64*64", **project}
        shared = json.dumps(document)
        lines = ",\n".join(map(json.dumps, rows))
        path.write_text(f'{shared[:-1]}, "shots": [\n{lines}]}}', encoding="utf-8")
        return split(read_shots(path))

    return write_and_read


def split(shot_list):
    items = list(shot_list)
    shots = [item for item in items if isinstance(item, Shot)]
    return shots, [item for item in items if isinstance(item, Problem)]


@pytest.mark.parametrize(
    ("prompt", "filled"),
    [
        ("a pier in {scene.light}", "a pier in late sun"),
        ("at { Scene.Hour } o'clock", "at 7 o'clock"),
        ("{cast.anna} at the pier", "a tall woman at the pier"),
        ("{CAST.Anna} waves", "a tall woman waves"),
        ("a {Time of Day} in {location}", "a night in Rome"),
        ("a sign: {{open}}", "a sign: {open}"),
        ("{{{look}}}", "{grainy film}"),
        ("50% } off", "50% } off"),
    ],
)
def test_names_stand_for_variables_cast_and_columns(read, prompt, filled):
    """Case and spaces make no difference; a column that a template uses is known."""
    row = {"prompt": prompt, "location": "Rome"}
    if "Time of Day" in prompt:
        row["time of day"] = "night"
    shots, problems = read(row)
    assert not problems
    assert shots[0].request.prompt == filled


def test_styles_are_templates_too(read):
    """Those of the row and the project, also for portraits."""
    shots, problems = read(
        {"id": "a", "prompt": "x", "cast": "anna"},
        {"id": "b", "prompt": "y", "style": "{look}, {mood}", "mood": "sad"},
        style="{look}",
    )
    assert not problems
    assert [one.request.style for one in shots] == [
        "grainy film",
        "grainy film",
        "grainy film, sad",
    ]


@pytest.mark.parametrize(
    "prompt",
    [
        *["{scene.lihgt}", "{}", "{scene}", "{look.x}", "{cast.boat}", "{cast}", "{style}"],
        *["{look", "{__class__}", "{scene.__class__}", "{look!r}", "{look:>99}", "{0}"],
    ],
)
def test_a_name_that_stands_for_no_text_is_a_problem(read, prompt):
    """It is reported with its row; nothing is evaluated."""
    shots, (problem,) = read({"prompt": "fine"}, {"prompt": prompt})
    assert len(shots) == 1
    assert (problem.source, problem.field) == ("film.json:3", "prompt")
    assert "has no value" in problem.message


def test_a_typo_gets_a_suggestion(read):
    """Variables, members and columns are suggested."""
    _, (problem,) = read({"prompt": "{scene.lihgt}"})
    assert "Did you mean scene.light?" in problem.action


def test_values_are_not_templates_themselves(read):
    """A variable or a cell with braces is inserted as it is."""
    shots, problems = read(
        {"prompt": "{a} {location}", "location": "{b}"}, variables={"a": "{b} {{c}}", "b": "x"}
    )
    assert not problems
    assert shots[0].request.prompt == "{b} {{c}} {b}"


def test_a_template_that_grows_too_long_is_a_problem(read):
    """It stops before memory runs out."""
    _, (problem,) = read({"prompt": "{a}" * 1000}, variables={"a": "x" * 1000})
    assert f"longer than {FILLED_MAX_CHARACTERS} characters" in problem.message


def test_without_variables_braces_are_text(read):
    """Prompts of lists that were paid for stay the same."""
    shots, problems = read({"prompt": "a sign {open} {{x}}"}, variables=None)
    assert not problems
    assert shots[0].request.prompt == "a sign {open} {{x}}"


def test_variables_that_are_not_a_mapping_are_a_problem(read):
    """It is reported once."""
    _, (problem,) = read({"prompt": "x"}, variables=["a"])
    assert problem.field == "variables"


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_a_table_has_variables_from_the_cast_s_file(tmp_path, suffix):
    """Columns that no template uses are still reported, once."""
    (tmp_path / "film.yaml").write_text(
        "cast: {anna: a tall woman}\nvariables: {light: late sun}\n", encoding="utf-8"
    )
    rows = [("{cast.anna} in {light}, {Weather}", "rain", "2"), ("y", "fog", "3")]
    content = {
        "csv": "prompt,Weather,Crew\n" + "".join(f'"{a}",{b},{c}\n' for a, b, c in rows),
        "jsonl": "\n".join(json.dumps({"prompt": a, "Weather": b, "Crew": c}) for a, b, c in rows),
    }[suffix]
    path = tmp_path / f"a.{suffix}"
    path.write_text(content, encoding="utf-8")
    options = ListOptions(cast_file=tmp_path / "film.yaml")
    shots, (problem,) = split(read_shots(path, Defaults(size="64*64"), options=options))
    assert problem.message == "unknown column 'Crew'"
    assert [one.request.prompt for one in shots] == ["a tall woman in late sun, rain", "y"]
