"""Tables as Google Sheets, Numbers and Excel export them, and columns that are left out."""

import json

import pytest

from stills.contract.errors import InvalidRequest
from stills.shotlist.options import ListOptions, parse_column_names, write_column_names
from stills.shotlist.reader import read_shots
from stills.shotlist.shots import Defaults, Problem, Shot

SMALL = Defaults(size="64*64")


@pytest.fixture
def read(tmp_path):
    """Write a file and read its shots and problems."""

    def write_and_read(content, name="a.csv", **options):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        items = list(read_shots(path, SMALL, options=ListOptions(**options)))
        shots = [item for item in items if isinstance(item, Shot)]
        return shots, [item for item in items if isinstance(item, Problem)]

    return write_and_read


EXPORTS = {
    "Google Sheets": "id,prompt,,\r\na,a red kite,,\r\n,,,\r\n,,,",
    "Numbers, with semicolons": "\ufeff;;\nid;prompt;\na;a red kite;\n;;\n",
    "Excel, Unicode text": "id\tprompt\r\na\ta red kite\r\n".encode("utf-16"),
    "Excel, CSV of UTF-16": "id;prompt\r\na;a red kite\r\n".encode("utf-16"),
    "a quoted line break in the heading": '"id\n","prompt\n"\na,a red kite\n',
    "a delimiter after the last cell": "id,prompt\na,a red kite,\n",
    "quoted everything": '"id";"prompt"\n"a";"a red kite"\n',
    "blank lines first": "\n\n,\nid,prompt\na,a red kite\n",
}


@pytest.mark.parametrize("content", EXPORTS.values(), ids=EXPORTS)
def test_an_export_is_read(read, content):
    """Byte order marks, delimiters, empty rows and empty columns make no difference."""
    shots, problems = read(content)
    assert not problems
    assert [(one.id, one.request.prompt) for one in shots] == [("a", "a red kite")]


def test_a_line_break_in_a_cell_stays(read):
    """The next row knows its line."""
    shots, _ = read('prompt\n"a red kite,\nhigh up"\na beach\n')
    assert [one.request.prompt for one in shots] == ["a red kite,\nhigh up", "a beach"]
    assert shots[1].source == "a.csv:4"


def test_unknown_columns_are_one_problem_with_the_option_that_leaves_them_out(read):
    """The option works as it is printed."""
    content = 'prompt,Camera Crew,"Props, costumes",Day\na kite,Ann,hat,2\n'
    shots, (problem,) = read(content)
    assert problem.message == "unknown columns 'Camera Crew', 'Props, costumes', 'Day'"
    assert """--ignore-columns 'Camera Crew,"Props, costumes",Day'""" in problem.action
    names = parse_column_names('Camera Crew,"Props, costumes",Day')
    without, problems = read(content, ignored_columns=names)
    assert not problems
    assert without == shots


@pytest.mark.parametrize("suffix", ["jsonl", "json", "yaml"])
def test_unknown_columns_of_many_rows_are_one_problem(read, suffix):
    """It is at the first row that has one, and the option works as it is printed."""
    rows = [{"prompt": f"kite {number}", "Props, hats": 1, "Day": 2} for number in range(300)]
    rows[0] = {"prompt": "a kite"}
    lines = [json.dumps(row) for row in rows]
    content = "\n".join(lines) if suffix == "jsonl" else "[\n" + ",\n".join(lines) + "]"
    shots, (problem,) = read(content, f"a.{suffix}")
    assert problem.source == f"a.{suffix}:{2 if suffix == 'jsonl' else 3}"
    assert problem.message == "unknown columns 'Props, hats', 'Day'"
    assert """--ignore-columns '"Props, hats",Day'""" in problem.action
    without, problems = read(
        content, f"a.{suffix}", ignored_columns=parse_column_names('"Props, hats",Day')
    )
    assert not problems
    assert without == shots
    assert len(shots) == 300


def test_other_columns_in_every_row_stay_one_short_problem(read):
    """A hostile file has no long message."""
    rows = [json.dumps({"prompt": "a kite", f"column {number}": 1}) for number in range(3000)]
    _, (problem,) = read("\n".join(rows), "a.jsonl")
    assert problem.message.endswith("'column 99' and 900 more")
    assert "remove them" in problem.action


def test_columns_of_json_rows_are_left_out_too(read):
    """Case and spaces make no difference."""
    shots, problems = read(
        '{"prompt": "a kite", "cameraCrew": "Ann"}', "a.jsonl", ignored_columns=("Camera crew",)
    )
    assert not problems
    assert len(shots) == 1


def test_a_known_column_can_be_left_out(read):
    """The row is read as if it had none."""
    shots, _ = read("prompt,style\na kite,ink\n", ignored_columns=("Style",))
    assert shots[0].request.style is None


def test_names_with_commas_and_quotes_are_read_as_written():
    """They come back from the text of the option."""
    names = ("a", "b, c", 'd "e"')
    assert parse_column_names(write_column_names(names)) == names
    with pytest.raises(InvalidRequest, match="names of columns can't be read"):
        parse_column_names('"a')


def test_an_option_for_endless_names_is_not_printed(read):
    """The message stays short."""
    _, (problem,) = read(f"prompt,{'x' * 5000}\na kite,1\n")
    assert len(problem.message) + len(problem.action) < 500
