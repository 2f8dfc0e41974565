"""Reading a ViMax storyboard."""

import json

import pytest

from stills.contract.errors import InvalidRequest
from stills.shotlist.reader import read_shots
from stills.shotlist.shots import Defaults, Problem

CHARACTERS = [
    {
        "idx": 0,
        "identifier_in_scene": "<Alice>",
        "is_visible": True,
        "static_features": "A tall woman.",
        "dynamic_features": "A red coat.",
    },
    {"idx": 1, "identifier_in_scene": "Bob", "is_visible": True, "static_features": "Old."},
]
SHOTS = [
    {
        "idx": 0,
        "is_last": False,
        "cam_idx": 0,
        "visual_desc": "<Alice> walks in.",
        "variation_type": "small",
        "variation_reason": "none",
        "ff_desc": "An empty room, Alice at the door.",
        "ff_vis_char_idxs": [0],
        "lf_desc": "Alice in the room.",
        "lf_vis_char_idxs": [0],
        "motion_desc": "static",
        "audio_desc": "steps",
    },
    {"idx": 1, "is_last": True, "cam_idx": 0, "visual_desc": "Night.", "audio_desc": ""},
]


@pytest.fixture
def read(tmp_path):
    """Read a storyboard: all items, and the list itself."""

    def write_and_read(document, defaults=None):
        path = tmp_path / "storyboard.json"
        path.write_text(json.dumps(document), encoding="utf-8")
        shot_list = read_shots(path, defaults)
        return list(shot_list), shot_list

    return write_and_read


def test_the_prompt_is_the_first_frame_or_else_the_visual(read):
    """The size is ViMax's own, unless the command line sets another."""
    shots, _ = read(SHOTS)
    assert [(shot.id, shot.request.prompt, shot.request.size) for shot in shots] == [
        ("0", "An empty room, Alice at the door.", "1600*900"),
        ("1", "Night.", "1600*900"),
    ]
    assert read(SHOTS, Defaults(size="64*64"))[0][0].request.size == "64*64"


def test_characters_in_the_file_are_its_cast(read):
    """Shots refer to them by number; their names are those of the scene."""
    items, _ = read({"characters": CHARACTERS, "shots": SHOTS})
    assert [item.id for item in items] == ["cast-Alice", "0", "1"]
    assert items[0].request.prompt == "A tall woman. A red coat."
    assert items[1].needs == ("cast-Alice",)
    assert [(one.member, one.description) for one in items[1].references] == [
        ("Alice", "A tall woman. A red coat.")
    ]


def test_all_characters_of_a_frame_are_references_in_its_order(read):
    """The numbers are those of the characters, not positions."""
    ben = CHARACTERS[0] | {"idx": 7, "identifier_in_scene": "<Ben>"}
    frame = SHOTS[0] | {"ff_vis_char_idxs": [7, 0]}
    items, _ = read({"characters": [*CHARACTERS, ben], "shots": [frame]})
    assert [one.member for one in items[-1].references] == ["Ben", "Alice"]
    assert items[-1].needs == ("cast-Ben", "cast-Alice")


def test_characters_next_to_the_file_are_its_cast(read, tmp_path):
    """ViMax writes them there."""
    (tmp_path / "characters.json").write_text(json.dumps(CHARACTERS), encoding="utf-8")
    items, shot_list = read(SHOTS)
    assert items[0].id == "cast-Alice"
    assert any("characters.json" in note for note in shot_list.notes)


def test_a_single_shot_description_is_read(read):
    """ViMax writes one into each shot's folder."""
    items, _ = read(SHOTS[0])
    assert [item.id for item in items] == ["0"]


def test_characters_two_folders_above_a_shots_own_description_are_its_cast(tmp_path):
    """ViMax writes them to its working folder, and each shot to its own folder below."""
    (tmp_path / "characters.json").write_text(json.dumps(CHARACTERS), encoding="utf-8")
    path = tmp_path / "shots" / "0" / "shot_description.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(SHOTS[0]), encoding="utf-8")
    shot_list = read_shots(path)
    assert [item.id for item in shot_list] == ["cast-Alice", "0"]
    assert "the cast was read from ../../characters.json" in shot_list.notes


def test_shots_without_a_characters_file_are_read_with_a_note(read):
    """The numbers mean nothing without the file."""
    items, shot_list = read(SHOTS)
    assert [item.id for item in items] == ["0", "1"]
    note = "storyboard.json: characters were left out, because no characters.json was found"
    assert note in shot_list.notes
    assert not [note for note in read(SHOTS[1])[1].notes if "characters.json" in note]


def test_characters_that_are_not_a_list_are_refused(read, tmp_path):
    """They are never silently dropped."""
    with pytest.raises(InvalidRequest, match=r"storyboard\.json has no list of characters"):
        read({"characters": {}, "shots": SHOTS})
    (tmp_path / "characters.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InvalidRequest, match=r"^characters\.json has no list of characters"):
        read(SHOTS)


def test_ignored_columns_share_one_note(read):
    """They are listed in it instead of noted one by one."""
    notes = read({"characters": CHARACTERS, "shots": SHOTS})[1].notes
    note = next(note for note in notes if "motion_desc" in note)
    assert note == (
        "not used for stills: is_last, cam_idx, variation_type, variation_reason, lf_desc, "
        "lf_vis_char_idxs, motion_desc, audio_desc, visual_desc"
    )
    assert len(notes) == 2  # the other one: Bob is in no shot


def test_a_missing_character_is_a_problem(read):
    """The problem has the file's own name of the column."""
    items, _ = read({"characters": CHARACTERS, "shots": [{**SHOTS[0], "ff_vis_char_idxs": [5]}]})
    problems = [item for item in items if isinstance(item, Problem)]
    assert [problem.field for problem in problems] == ["ff_vis_char_idxs"]


def test_voices_and_characters_with_the_same_name_are_read(read):
    """A voice has no features and is left out; equal names get their numbers added."""
    heard = {"idx": 2, "identifier_in_scene": "Voice", "is_visible": False, "static_features": ""}
    twin = {**CHARACTERS[0], "idx": 3, "static_features": "A twin."}
    document = {
        "characters": [*CHARACTERS, heard, twin],
        "shots": [{**SHOTS[0], "ff_vis_char_idxs": [0, 3]}],
    }
    items, _ = read(document)
    assert [item.id for item in items] == ["cast-Alice", "cast-Alice-3", "0"]
    assert not [item for item in items if isinstance(item, Problem)]
