"""Reading Excel workbooks, also damaged and hostile ones."""

import datetime as dt
import subprocess
import sys
import zipfile
from contextlib import suppress

import openpyxl
import pytest

from stills.contract.errors import InvalidRequest
from stills.shotlist import workbook
from stills.shotlist.options import ListOptions
from stills.shotlist.reader import read_shots
from stills.shotlist.shots import Defaults, Problem, Shot

SMALL = Defaults(size="64*64")


def write(path, rows, *, sheets=None):
    """Write a workbook with a sheet of rows, after other sheets."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, content in {"Shots": rows, **(sheets or {})}.items():
        sheet = book.create_sheet(title)
        for row in content:
            sheet.append(row)
    book.save(path)
    return path


def read(path, **options):
    items = list(read_shots(path, SMALL, options=ListOptions(**options)))
    shots = [item for item in items if isinstance(item, Shot)]
    return shots, [item for item in items if isinstance(item, Problem)]


def change(path, part, old, new):
    """Replace text in one part of a workbook."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    assert old in parts[part]
    parts[part] = parts[part].replace(old, new)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


def test_the_first_sheet_is_read(tmp_path):
    """Numbers are whole, and a source is the row of the sheet."""
    rows = [["id", "prompt", "seed"], [7, "a red kite", 5], [], ["b", "a beach", None]]
    shots, problems = read(write(tmp_path / "a.xlsx", rows, sheets={"Notes": [["x"]]}))
    assert not problems
    assert [(one.id, one.request.prompt, one.source) for one in shots] == [
        ("7", "a red kite", "a.xlsx:2"),
        ("b", "a beach", "a.xlsx:4"),
    ]
    assert shots[0].request.seed == 5


def test_a_workbook_reads_like_its_csv(tmp_path):
    """The requests are equal, so nothing is paid for twice."""
    rows = [["prompt", "style"], ["a kite", "ink"], ["a beach", ""]]
    (tmp_path / "a.csv").write_text("prompt,style\na kite,ink\na beach,\n", encoding="utf-8")
    from_book, _ = read(write(tmp_path / "a.xlsx", rows))
    from_csv, _ = read(tmp_path / "a.csv")
    assert [one.request for one in from_book] == [one.request for one in from_csv]


def test_another_sheet_is_read_by_name(tmp_path):
    """An unknown name is refused with those that exist."""
    path = write(tmp_path / "a.xlsx", [["x"]], sheets={"Day 2": [["prompt"], ["a kite"]]})
    shots, _ = read(path, sheet="Day 2")
    assert shots[0].request.prompt == "a kite"
    with pytest.raises(InvalidRequest, match="has no sheet 'Day 3'") as caught:
        read(path, sheet="Day 3")
    assert caught.value.action == "Its sheets are Shots, Day 2."


def test_a_table_may_start_anywhere_in_its_sheet(tmp_path):
    """Empty rows and columns before and within it are skipped."""
    rows = [[], [None, "prompt", None, "seed"], [None, "a kite", None, 3.0]]
    shots, problems = read(write(tmp_path / "a.xlsx", rows))
    assert not problems
    assert (shots[0].request.seed, shots[0].source) == (3, "a.xlsx:3")


def test_cells_are_written_as_a_csv_file_has_them(tmp_path):
    """Times, dates and switches become text."""
    values = [dt.date(2026, 1, 2), dt.time(0, 0, 4), True, 2.5, dt.timedelta(seconds=4.25)]
    lines = [["a", "b", "c", "d", "e"], values]
    path = write(tmp_path / "a.xlsx", lines)
    with path.open("rb") as opened:
        _, line = workbook.read_lines("a.xlsx", opened, None)
    assert line.cells == ["2026-01-02", "0:00:04", "true", "2.5", "0:00:04.250"]


def test_a_formula_has_its_saved_value(tmp_path):
    """Nothing is calculated."""
    path = write(tmp_path / "a.xlsx", [["prompt"], ["=A3&1"]])
    change(path, "xl/worksheets/sheet1.xml", b"<v />", b"<v>a red kite</v>")
    change(path, "xl/worksheets/sheet1.xml", b'<c r="A2"', b'<c r="A2" t="str"')
    shots, _ = read(path)
    assert shots[0].request.prompt == "a red kite"


def test_an_error_in_a_cell_is_a_problem(tmp_path):
    """It would be sent as the prompt."""
    _, (problem,) = read(write(tmp_path / "a.xlsx", [["prompt"], ["#N/A"]]))
    assert (problem.source, problem.message) == ("a.xlsx:2", "a cell has the error #N/A")


def test_a_workbook_on_standard_input_is_read(tmp_path):
    """It has no suffix, but the first bytes of a workbook."""
    path = write(tmp_path / "a.xlsx", [["prompt"], ["a kite"]])
    code = (
        "from stills.shotlist.reader import read_shots\n"
        "from stills.shotlist.shots import Defaults\n"
        "print([one.request.prompt for one in read_shots('-', Defaults(size='64*64'))])"
    )
    with path.open("rb") as piped:
        ended = subprocess.run(
            [sys.executable, "-c", code], stdin=piped, capture_output=True, text=True, check=True
        )
    assert ended.stdout.strip() == "['a kite']"


def test_a_cell_far_away_takes_no_memory(tmp_path):
    """The last cell of the last row is beyond the limit, and is refused with its row."""
    path = write(tmp_path / "a.xlsx", [["prompt"], ["a kite"]])
    change(path, "xl/worksheets/sheet1.xml", b'r="A2"', b'r="XFD1048576"')
    change(path, "xl/worksheets/sheet1.xml", b'<row r="2">', b'<row r="1048576">')
    with pytest.raises(InvalidRequest, match=r"^a\.xlsx:1048576 is beyond the limit of 256 col"):
        read(path)


def test_a_row_beyond_every_sheet_is_refused(tmp_path):
    """Its number would mean billions of empty rows."""
    path = write(tmp_path / "a.xlsx", [["prompt"], ["a kite"]])
    change(path, "xl/worksheets/sheet1.xml", b'<row r="2">', b'<row r="99999999999">')
    with pytest.raises(InvalidRequest, match="is not an Excel workbook that can be read"):
        read(path)


@pytest.mark.parametrize("part", ["xl/worksheets/sheet1.xml", "xl/styles.xml"])
def test_an_archive_that_expands_without_end_is_refused(tmp_path, part):
    """Its size is known before anything is unpacked."""
    path = write(tmp_path / "a.xlsx", [["prompt"], ["a kite"]])
    with zipfile.ZipFile(path) as archive:
        content = archive.read(part)
    change(path, part, content, content + b" " * (workbook.CELLS_MAX_BYTES + 1))
    with pytest.raises(InvalidRequest, match="too large to read"):
        read(path)


def test_pictures_in_a_workbook_don_t_count(tmp_path):
    """They are not read, and shot lists have thumbnails."""
    path = write(tmp_path / "a.xlsx", [["prompt"], ["a kite"]])
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/media/image1.png", b"\0" * (workbook.PART_MAX_BYTES + 1))
    shots, _ = read(path)
    assert len(shots) == 1


def test_entities_that_expand_each_other_are_refused(tmp_path):
    """The parser stops before memory runs out."""
    path = write(tmp_path / "a.xlsx", [["prompt"], ["a kite"]])
    levels = "".join(
        f'<!ENTITY e{n} "{f"&e{n - 1};" * 10 if n else "x" * 100}">' for n in range(10)
    )
    bomb = f"<!DOCTYPE sst [{levels}]>".encode()
    change(path, "xl/worksheets/sheet1.xml", b"<worksheet", bomb + b"<worksheet")
    change(path, "xl/worksheets/sheet1.xml", b"a kite", b"&e9;")
    with pytest.raises(InvalidRequest, match="is not an Excel workbook that can be read"):
        read(path)


def test_any_damage_is_refused_in_our_words(tmp_path):
    """Each part cut short or replaced ends in shots, problems or a refusal."""
    path = write(tmp_path / "a.xlsx", [["prompt"], ["a kite"]])
    whole = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    for name, content in parts.items():
        path.write_bytes(whole)
        change(path, name, content, content[: len(content) // 2])
        with suppress(InvalidRequest):
            read(path)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InvalidRequest, match="is not an Excel workbook"):
        read(path)


def test_a_text_file_named_as_a_workbook_is_refused(tmp_path):
    """The action says what to do."""
    path = tmp_path / "a.xlsx"
    path.write_text("prompt\na kite\n", encoding="utf-8")
    with pytest.raises(InvalidRequest, match="is not an Excel workbook") as caught:
        read(path)
    assert "as CSV" in caught.value.action
