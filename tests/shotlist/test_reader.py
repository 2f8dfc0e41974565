"""Reading shots and problems from every format."""

import json
import tracemalloc
from contextlib import suppress

import pytest

from stills.contract.errors import InvalidRequest
from stills.shotlist.reader import read_shots
from stills.shotlist.shots import Defaults, Problem, Shot

REFERENCES = "reference_images"
DEFAULTS = Defaults(size="1024*1024")


@pytest.fixture
def read(tmp_path):
    """Write a file and read it: its shots, its problems, the list itself."""

    def write_and_read(name, content, defaults=DEFAULTS, **options):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        shot_list = read_shots(path, defaults, **options)
        items = list(shot_list)
        shots = [item for item in items if isinstance(item, Shot)]
        return shots, [item for item in items if isinstance(item, Problem)], shot_list

    return write_and_read


EQUIVALENT = {
    "kite.csv": "id,prompt,seed\na,a red kite,5\n",
    "kite.tsv": "id\tprompt\tseed\na\ta red kite\t5\n",
    "kite.jsonl": '{"id": "a", "prompt": "a red kite", "seed": 5}\n',
    "kite.json": '[{"id": "a", "prompt": "a red kite", "seed": 5}]',
    "shots.json": '{"shots": [{"id": "a", "prompt": "a red kite", "seed": 5}]}',
    "one.json": '{"id": "a", "prompt": "a red kite", "seed": 5}',
    "kite.yaml": "- id: a\n  prompt: a red kite\n  seed: 5\n",
    "excel.csv": "sep=;\r\nid;prompt;seed\r\na;a red kite;5\r\n",
    "bars.csv": "\ufeffsep=|\nid|prompt|seed\na|a red kite|5\n",
    "excel.tsv": "sep=\t\nid\tprompt\tseed\na\ta red kite\t5\n",
    "declared": "sep=;\nid;prompt;seed\na;a red kite;5\n",
    "semicolons.csv": "id;prompt;seed\na;a red kite;5\n",
    "csv": "id,prompt,seed\na,a red kite,5\n",
    "tsv": "id\tprompt\tseed\na\ta red kite\t5\n",
    "jsonl": '{"id": "a", "prompt": "a red kite", "seed": 5}\n\n{"id": "b", "prompt": "c"}\n',
    "json": '\n[\n{"id": "a", "prompt": "a red kite", "seed": 5}]',
    "yaml": "shots:\n- id: a\n  prompt: a red kite\n  seed: 5\n",
}


@pytest.mark.parametrize("name", EQUIVALENT)
def test_every_format_reads_the_same(read, name):
    """The format comes from the suffix, or from the first characters if there is none."""
    shots, problems, _ = read(name, EQUIVALENT[name])
    assert not problems
    assert shots[0].id == "a"
    assert shots[0].request.prompt == "a red kite"
    assert shots[0].request.seed == 5
    assert shots[0].source.startswith(name)


def test_a_list_can_be_iterated_twice(read):
    """A batch reads it once to find every problem, and once to generate."""
    _, _, shot_list = read("a.csv", "prompt\nx\ny\n")
    assert list(shot_list) == list(shot_list)


def test_a_carriage_return_ends_a_line(read):
    """Old programs write such files; the format is detected from them, too."""
    shots, _, _ = read("shots", "prompt\tsize\ra kite\t512*512\r")
    assert [shot.request.prompt for shot in shots] == ["a kite"]


def test_standard_input_can_be_read_twice(monkeypatch, tmp_path):
    """A pipe is copied to a temporary file."""
    path = tmp_path / "piped"
    path.write_text("prompt\nx\n", encoding="utf-8")
    with path.open(encoding="utf-8") as piped:
        monkeypatch.setattr("sys.stdin", piped)
        shot_list = read_shots("-", DEFAULTS)
        assert [item.source for item in shot_list] == ["stdin:2"]
        assert list(shot_list) == list(shot_list)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("suffix", ["csv", "jsonl", "json", "yaml"])
def test_a_byte_order_mark_sets_the_encoding(read, encoding, suffix):
    """It is not part of the first column's name."""
    content = {
        "csv": "prompt\ncafé 風\n",
        "jsonl": '{"prompt": "café 風"}\n',
        "json": '[{"prompt": "café 風"}]',
        "yaml": "- prompt: café 風\n",
    }[suffix]
    shots, problems, _ = read(f"a.{suffix}", content.encode(encoding))
    assert not problems
    assert shots[0].request.prompt == "café 風"


@pytest.mark.parametrize(("encoding", "text"), [("latin-1", "café"), ("gb18030", "风筝在天上")])
def test_another_encoding_must_be_named(read, encoding, text):
    """It is never guessed, because a wrong guess would end up in a paid image."""
    content = f"id,prompt\na,ok\nb,{text}\n".encode(encoding)
    with pytest.raises(InvalidRequest, match=r"^a\.csv:3 is not UTF-8 text") as caught:
        read("a.csv", content)
    assert "--encoding" in caught.value.action
    shots, _, _ = read("a.csv", content, encoding=encoding)
    assert shots[1].request.prompt == text


@pytest.mark.parametrize("encoding", ["nonsense", "base64", "\0"])
def test_an_unknown_encoding_is_refused(read, encoding):
    """The error lists names that work."""
    with pytest.raises(InvalidRequest, match="unknown text encoding") as caught:
        read("a.csv", "prompt\nx\n", encoding=encoding)
    assert "gb18030" in caught.value.action


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "", "is empty"),
        ("a.jsonl", " \n\n", "is empty"),
        ("a.csv", "prompt,size\n", "has no shots"),
        ("a.json", "[]", "has no shots"),
        ("a.json", '{"shots": []}', "has no shots"),
        ("a.yaml", "# nothing\n", "no list of shots"),
        ("a.csv", "prompt,prompt\nx,y\n", "two columns"),
        ("a.csv", "sep=;\nprompt;prompt\nx;y\n", "a.csv:2 has two columns"),
        ("a.csv", "sep=;", "is empty"),
        ("a.json", "[\n{,}]", "a.json:2 is not JSON"),
        ("a.json", '{"shots": 1, "shots": []}', "duplicate key 'shots'"),
        ("a.json", "[" * 100_000, "nested too deeply"),
        ("a.json", '{"prompt": "x"}\n{"prompt": "y"}', "not JSON"),
        ("a.yaml", "- a: [\n", "a.yaml:2 is not YAML"),
        ("a.yaml", "[" * 100_000, "nested deeper|nesting depth"),
        ("a.yaml", "a: 1\na: 2\n", "a.yaml:2: duplicate key 'a'"),
        ("a.yaml", "!!python/name:os.system x", "tags"),
        ("a.yaml", "a: &a {x: 1}\nb: {<<: *a}\n", "merge keys"),
        ("a.yaml", "- prompt: x\n---\n- prompt: y\n", "only one document"),
        ("a.yaml", "a: \0", "not YAML|NUL"),
        ("a.csv", "prompt\nx\n".encode("utf-16-le"), "NUL"),
    ],
)
def test_an_unreadable_file_is_refused(read, name, content, message):
    """The error names the file, and the line if it is known."""
    with pytest.raises(InvalidRequest, match=message) as caught:
        read(name, content)
    assert caught.value.action


def test_a_missing_file_is_refused(tmp_path):
    """The reason is the operating system's."""
    with pytest.raises(InvalidRequest, match="can't be read: No such file"):
        read_shots(tmp_path / "none.csv", DEFAULTS)


def test_every_invalid_row_is_reported_and_the_others_are_read(read):
    """Problems have the file, line, field and a fix; a cell may span several lines."""
    shots, problems, _ = read(
        "a.csv",
        'id,prompt,seed\n1,"a\nkite",12\n2,b,\n2,c,\nx\n"q"z,1,2\n,d,-4\n,e,\n,,\nl,l,99999999999\n',
    )
    assert [shot.id for shot in shots] == ["1", "2", "shot-0007"]
    assert [(problem.source, problem.field) for problem in problems] == [
        ("a.csv:5", "id"),
        ("a.csv:6", None),
        ("a.csv:7", None),
        ("a.csv:8", "seed"),
        ("a.csv:11", "seed"),
    ]
    assert "a.csv:4" in problems[0].message
    assert all(problem.message and problem.action for problem in problems)


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("nonsense", None),
        ("[" * 100_000, None),
        ('["x"]', None),
        ('{"prompt": "x", "prompt": "y"}', None),
        ('{"prompt": "x", "seed": NaN}', None),
        ('{"prompt": 5}', "prompt"),
        ('{"image_prompt": 5}', "image_prompt"),
        ('{"prompt": "\\u0000"}', "prompt"),
        ('{"prompt": "\\ud800"}', "prompt"),
        ('{"seed": 1}', "prompt"),
        ('{"prompt": "x", "size": "big"}', "size"),
        ('{"prompt": "x", "size": 5}', "size"),
        ('{"prompt": "x", "id": {}}', "id"),
        ('{"prompt": "x", "id": "a\\nb"}', "id"),
        ('{"prompt": "x", "duration": "soon"}', "duration"),
        ('{"prompt": "x", "duration": 1e999}', "duration"),
        ('{"prompt": "x", "reference_image": [{}]}', "reference_image"),
        ('{"prompt": "x", "reference_image": 5}', "reference_image"),
        ('{"prompt": "x", "reference_images": ["a.png", ""]}', "reference_images"),
        ('{"prompt": "x", "reference_images": [{"image": "a.png", "lable": "x"}]}', REFERENCES),
        ('{"prompt": "x", "reference_images": [{"image": "a.png", "label": 5}]}', REFERENCES),
        (json.dumps({"prompt": "x", "reference_images": ["a.png"] * 101}), "reference_images"),
        ('{"prompt": "x", "cast": ["anna"]}', "cast"),
        ('{"prompt": "x", "cast": {"a": 1}}', "cast"),
    ],
)
def test_an_invalid_line_is_one_problem(read, line, field):
    """Other lines are read; the problem has the file's own name of the field."""
    shots, problems, _ = read("a.jsonl", f'{{"prompt": "fine"}}\n{line}\n')
    assert len(shots) == 1
    assert [(problem.source, problem.field) for problem in problems] == [("a.jsonl:2", field)]


def test_an_overlong_line_is_a_problem(read, monkeypatch):
    """Other lines of JSONL are read; CSV is refused at that line."""
    for module in ("input_file", "tabular"):
        monkeypatch.setattr(f"stills.shotlist.{module}.LINE_MAX_CHARACTERS", 100)
    rows = ["fine", "x" * 1000, "y" * 50]
    content = "".join(json.dumps({"prompt": prompt}) + "\n" for prompt in rows)
    shots, problems, _ = read("a.jsonl", content)
    assert [shot.request.prompt for shot in shots] == ["fine", "y" * 50]
    assert [problem.source for problem in problems] == ["a.jsonl:2"]
    with pytest.raises(InvalidRequest, match=r"a\.csv:3 is longer than 100 characters"):
        read("a.csv", "prompt\nfine\n" + "x" * 1000)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ('"seed": NaN', "NaN is not a valid JSON number"),
        ('"seed": 1, "seed": 2', "duplicate key 'seed'"),
        ('"seed": ' + "1" * 5000, "a number has 5000 digits"),
        ('"sede": 1, "colour": 2', "unknown columns 'sede', 'colour'"),
    ],
)
def test_json_and_jsonl_report_the_same_message(read, members, message):
    """The messages are ours, not those of the JSON parser."""
    _, (problem,), _ = read("a.jsonl", f'{{"prompt": "x", {members}}}')
    assert problem.message == message
    with suppress(InvalidRequest):
        _, (problem,), _ = read("a.json", f'[{{"prompt": "x", {members}}}]')
        assert problem.message == message


def test_the_default_folder_is_next_to_the_list(read, tmp_path):
    """Two lists of the same name in different folders never share one."""
    *_, shot_list = read("shots.csv", "prompt\nfine\n")
    assert shot_list.default_folder == tmp_path / "shots-stills"


def test_rows_of_a_document_know_their_lines(read):
    """Problems in JSON and YAML have the line of their row."""
    _, problems, _ = read("a.json", '{"shots": [\n{"prompt": "x"},\n\n{"size": "1*1"}]}')
    assert problems[0].source == "a.json:4"
    _, problems, _ = read("a.yaml", "shots:\n- prompt: x\n- size: 1*1\n")
    assert problems[0].source == "a.yaml:3"


def test_text_in_yaml_stays_as_written(read):
    """`no` is not false, `16:9` is not a number, and a date stays text."""
    shots, problems, _ = read(
        "a.yaml",
        "- {id: no, prompt: 2026-01-01, size: 1K, aspect_ratio: 16:9}\n- {id: 007, prompt: yes}\n",
    )
    assert not problems
    assert [(shot.id, shot.request.prompt) for shot in shots] == [
        ("no", "2026-01-01"),
        ("007", "yes"),
    ]
    assert shots[0].request.size == "1360*768"


def test_a_yaml_bomb_is_refused(read):
    """Aliases are cheap to parse, but every value they expand to would be visited."""
    levels = ["a0: &a0 [x]"] + [
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)
    ]
    with pytest.raises(InvalidRequest, match=r"a.yaml:7: aliases \(\*\) expand to more than"):
        read("a.yaml", "\n".join([*levels, "shots: [{prompt: *a29}]"]))


def test_an_alias_has_the_value_of_its_anchor(read):
    """Also when it is used a thousand times."""
    rows = "".join(f"- {{id: s{n}, prompt: x, style: *noir}}\n" for n in range(1000))
    shots, problems, _ = read("a.yaml", f"style: &noir film noir\nshots:\n{rows}")
    assert not problems
    assert {shot.request.style for shot in shots} == {"film noir"}


def test_an_unclosed_quote_is_a_problem(read):
    """It can't silently swallow the rest of the file."""
    _, problems, _ = read("a.csv", 'prompt\n"x\n' + "y" * 200_000 + "\n")
    assert problems[0].source == "a.csv:2"


def test_relative_references_start_at_the_files_folder(read, tmp_path):
    """URLs, data URLs, base64, ids of stored images and absolute paths stay as they are."""
    kept = ["https://x/y.png", "data:image/png;base64,AA", "/b.png", "3f9a1c2b7d4e-1024x1024"]
    kept += ["stills://images/3f9a1c2b7d4e-1024x1024", "iVBORw0KGgoAAAANSUhEUg" + "A" * 60]
    rows = ["a.png", *kept, '["c.png"]']
    lines = (json.dumps({"prompt": "x", "reference_image": row}) for row in rows)
    shots, _, _ = read("a.jsonl", "\n".join(lines))
    assert [one.image for shot in shots for one in shot.references] == [
        str(tmp_path / "a.png"),
        *kept,
        str(tmp_path / "c.png"),
    ]


def test_memory_stays_constant(tmp_path):
    """Only the ids and lines of rows stay in memory."""
    path = tmp_path / "many.jsonl"
    rows = 3_000
    prompt = "x" * 2_000
    path.write_text("".join(f'{{"prompt": "{prompt}"}}\n' for _ in range(rows)), encoding="utf-8")
    shot_list = read_shots(path, DEFAULTS)
    next(iter(shot_list))
    tracemalloc.start()
    assert sum(1 for _ in shot_list) == rows
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_500_000
