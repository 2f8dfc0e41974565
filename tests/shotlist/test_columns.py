"""The column names that pipelines use, in agreement with the docs."""

import json
import re
from pathlib import Path

import pytest

from stills.shotlist.columns import FIELDS, IGNORED
from stills.shotlist.reader import read_shots
from stills.shotlist.shots import Defaults, Problem, Shot

PAGE = Path(__file__).parents[2] / "docs" / "shot-lists.md"


SMALL = Defaults(size="64*64")


def read_row(tmp_path, row, defaults=SMALL):
    path = tmp_path / "row.jsonl"
    path.write_text(json.dumps(row), encoding="utf-8")
    shot_list = read_shots(path, defaults)
    return next(iter(shot_list)), shot_list


def table(heading):
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith(f"| {heading} |"))
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            return
        yield [re.findall(r"`([^`]+)`", cell) for cell in line.split("|")[1:-1]]


def test_the_docs_list_every_column_name():
    """They list no other names."""
    written = {
        name[0]: (tuple(aliases), tuple(later)) for name, aliases, later, _ in table("field")
    }
    assert written == {field.name: (field.aliases, field.fallbacks) for field in FIELDS}


def test_the_docs_list_every_ignored_column():
    """They list no other columns."""
    assert [tuple(names) for _, names in table("pipeline")] == list(IGNORED.values())


def examples():
    fences = re.findall(
        r"^```(\w+)\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    return [pytest.param(*fence, id=f"{fence[0]}-{n}") for n, fence in enumerate(fences)]


@pytest.mark.parametrize(("suffix", "content"), examples())
def test_every_example_reads_without_a_problem(tmp_path, suffix, content):
    """Each works when pasted into a file."""
    path = tmp_path / f"example.{suffix}"
    path.write_text(content, encoding="utf-8")
    items = list(read_shots(path, Defaults(size="1280*720")))
    assert len(items) > 1
    assert all(isinstance(item, Shot) for item in items)


@pytest.mark.parametrize(
    "name", ["prompt", "image_prompt", "imagePrompt", "ff_desc", "visual_desc", "Image Prompt"]
)
def test_a_prompt_has_several_names(tmp_path, name):
    """Snake case, camel case and spaces make no difference."""
    shot, _ = read_row(tmp_path, {name: "a red kite"})
    assert shot.request.prompt == "a red kite"


@pytest.mark.parametrize(
    ("written", "read"),
    [(True, True), (False, False), ("TRUE", True), ("no", False), (" Yes ", True), ("0", False)],
)
def test_a_switch_is_also_read_from_text(tmp_path, written, read):
    """Cells of a spreadsheet are text."""
    shot, _ = read_row(tmp_path, {"prompt": "x", "promptExtend": written})
    assert shot.request.prompt_extend is read


def test_a_switch_of_another_text_is_a_problem(tmp_path):
    """It names the column."""
    problem, _ = read_row(tmp_path, {"prompt": "x", "prompt_extend": "maybe"})
    assert (problem.field, problem.message) == (
        "prompt_extend",
        "prompt_extend is text, not true or false",
    )


@pytest.mark.parametrize("name", ["id", "idx", "storyboard_number", "shot_id", "shotId"])
def test_an_id_has_several_names(tmp_path, name):
    """A number becomes text."""
    shot, _ = read_row(tmp_path, {name: 7, "prompt": "x"})
    assert shot.id == "7"


def test_a_row_of_lumenx_is_read(tmp_path):
    """Columns without a meaning for stills are ignored, with a note."""
    shot, shot_list = read_row(
        tmp_path,
        {
            "id": "f1",
            "scene_id": "s1",
            "character_ids": ["c1"],
            "action_description": "she runs",
            "image_prompt": "a runner",
            "image_url": None,
            "video_prompt": "pan left",
        },
    )
    assert shot.request.prompt == "a runner"
    assert any("video_prompt" in note for note in shot_list.notes)
    assert any("no cast" in note for note in shot_list.notes)


def test_a_row_of_huobao_is_read(tmp_path):
    """Its number becomes the id; its duration is for the animatic."""
    shot, _ = read_row(
        tmp_path,
        {
            "storyboard_number": 3,
            "scene_id": 9,
            "image_prompt": "a court",
            "video_prompt": "zoom",
            "duration": 10,
            "first_frame_image": "",
            "reference_images": [],
        },
    )
    assert (shot.id, shot.duration_seconds) == ("3", 10.0)


@pytest.mark.parametrize("name", ["Dialogue", "dialog", "DIALOGUE"])
def test_dialogue_keeps_its_lines(tmp_path, name):
    """No model gets it: the request is the same as without."""
    shot, shot_list = read_row(
        tmp_path, {"id": "1A", "prompt": "x", name: " ANNA: Łódź?\nBEN: 是 😀 "}
    )
    silent, _ = read_row(tmp_path, {"id": "1A", "prompt": "x"})
    assert shot.dialogue == "ANNA: Łódź?\nBEN: 是 😀"
    assert shot_list.notes == []
    assert (silent.dialogue, silent.request) == (None, shot.request)


@pytest.mark.parametrize("given", [True, ["Hello"], "x" * 5001])
def test_dialogue_that_is_not_a_short_text_is_a_problem(tmp_path, given):
    """It is neither dropped nor cut."""
    problem, _ = read_row(tmp_path, {"prompt": "x", "dialogue": given})
    assert (problem.field, problem.message) == (
        "dialogue",
        "dialogue is not text of at most 5000 characters",
    )


def test_two_names_of_a_field_must_agree(tmp_path):
    """The problem names both columns."""
    problem, _ = read_row(tmp_path, {"prompt": "x", "image_prompt": "y"})
    assert isinstance(problem, Problem)
    assert "prompt and image_prompt" in problem.message
    shot, _ = read_row(tmp_path, {"prompt": "x", "image_prompt": "x"})
    assert shot.request.prompt == "x"


def test_an_unknown_column_gets_a_suggestion(tmp_path):
    """A typo must not silently lose a field."""
    _, shot_list = read_row(tmp_path, {"prompt": "x", "negatve_prompt": "y"})
    [problem] = [one for one in shot_list if isinstance(one, Problem)]
    assert problem.field == "negatve_prompt"
    assert "Did you mean negative_prompt?" in problem.action


@pytest.mark.parametrize(
    ("row", "size"),
    [
        ({"size": "1600x900"}, "1600*900"),
        ({"resolution": "1280×720"}, "1280*720"),
        ({"width": 512, "height": "768"}, "512*768"),
        ({"size": "2K", "aspect_ratio": "16:9"}, "2736*1536"),
        ({"size": "1k", "aspect_ratio": "1:1"}, "1024*1024"),
        ({"size": "1600*900", "aspect_ratio": "16:9"}, "1600*900"),
        ({"size": "1K"}, "1024*1024"),
        ({"size": "2K 16:9"}, "2736*1536"),
        ({"size": "16:9"}, "1360*768"),
        ({"size": "auto"}, "auto"),
        ({"size": "512*512", "width": 512, "height": 512}, "512*512"),
        ({}, "64*64"),
    ],
)
def test_a_size_can_be_written_in_several_ways(tmp_path, row, size):
    """All but auto become width and height."""
    shot, _ = read_row(tmp_path, {"prompt": "x", **row})
    assert shot.request.size == size


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ({"width": 512}, "height"),
        ({"width": 512.5, "height": 512}, "width"),
        ({"size": "512*512", "width": 512, "height": 64}, "size"),
        ({"size": "4K", "aspect_ratio": "8:1"}, "size"),
        ({"size": "1K", "aspect_ratio": "0:1"}, "aspect_ratio"),
        ({"aspect_ratio": "16:9"}, "aspect_ratio"),
        ({"width": 10**40, "height": 1}, "size"),
    ],
)
def test_an_invalid_size_is_a_problem(tmp_path, row, field):
    """One side is missing, two sizes differ, a ratio has no size, or a side is too large."""
    problem, _ = read_row(tmp_path, {"prompt": "x", **row})
    assert problem.field == field


def test_a_missing_size_is_a_problem(tmp_path):
    """A table has no default size; the action names the option."""
    problem, _ = read_row(tmp_path, {"prompt": "x"}, Defaults())
    assert "--size" in problem.action
