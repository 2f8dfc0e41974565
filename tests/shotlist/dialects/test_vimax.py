"""A ViMax storyboard reads as it is."""

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
    """Read a storyboard: all items, and the reading."""

    def write_and_read(document, defaults=None):
        path = tmp_path / "storyboard.json"
        path.write_text(json.dumps(document), encoding="utf-8")
        reading = read_shots(path, defaults)
        return list(reading), reading

    return write_and_read


def test_the_first_frame_is_drawn_else_what_is_seen(read):
    """At the size that ViMax draws, unless the command line says another."""
    shots, _ = read(SHOTS)
    assert [(shot.id, shot.request.prompt, shot.request.size) for shot in shots] == [
        ("0", "An empty room, Alice at the door.", "1600*900"),
        ("1", "Night.", "1600*900"),
    ]
    assert read(SHOTS, Defaults(size="64*64"))[0][0].request.size == "64*64"


def test_characters_in_the_file_are_its_cast(read):
    """Found by their numbers, named as the scene names them."""
    items, _ = read({"characters": CHARACTERS, "shots": SHOTS})
    assert [item.id for item in items] == ["cast-Alice", "0", "1"]
    assert items[0].request.prompt == "A tall woman. A red coat."
    assert items[1].needs == ("cast-Alice",)
    assert items[1].describe == "Alice: A tall woman. A red coat."


def test_characters_beside_the_file_are_its_cast(read, tmp_path):
    """Where ViMax leaves them."""
    (tmp_path / "characters.json").write_text(json.dumps(CHARACTERS), encoding="utf-8")
    items, reading = read(SHOTS)
    assert items[0].id == "cast-Alice"
    assert any("characters.json" in note for note in reading.notes)


def test_one_shot_description_alone_is_read(read):
    """ViMax keeps one in each shot's folder."""
    items, _ = read(SHOTS[0])
    assert [item.id for item in items] == ["0"]


def test_characters_two_folders_above_a_shots_own_description_are_its_cast(tmp_path):
    """ViMax leaves them in its working folder, and each shot in a folder of its own below."""
    (tmp_path / "characters.json").write_text(json.dumps(CHARACTERS), encoding="utf-8")
    path = tmp_path / "shots" / "0" / "shot_description.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(SHOTS[0]), encoding="utf-8")
    reading = read_shots(path)
    assert [item.id for item in reading] == ["cast-Alice", "0"]
    assert "the cast is read from ../../characters.json" in reading.notes


def test_without_characters_the_shots_are_drawn_and_that_is_said(read):
    """Numbers alone name nobody."""
    items, reading = read(SHOTS)
    assert [item.id for item in items] == ["0", "1"]
    told = "names characters by number, and no characters.json was found: all left out"
    assert f"storyboard.json {told}" in reading.notes
    assert not [note for note in read(SHOTS[1])[1].notes if "characters.json" in note]


def test_characters_that_are_no_list_are_refused(read, tmp_path):
    """They would be dropped without a word."""
    with pytest.raises(InvalidRequest, match=r"storyboard\.json has no list of characters"):
        read({"characters": {}, "shots": SHOTS})
    (tmp_path / "characters.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InvalidRequest, match=r"^characters\.json has no list of characters"):
        read(SHOTS)


def test_columns_of_its_own_that_say_nothing_of_a_still_are_told_in_one_note(read):
    """Not in ten."""
    notes = read({"characters": CHARACTERS, "shots": SHOTS})[1].notes
    told = next(note for note in notes if "motion_desc" in note)
    assert told == (
        "not used for stills: is_last, cam_idx, variation_type, variation_reason, lf_desc, "
        "lf_vis_char_idxs, motion_desc, audio_desc, visual_desc"
    )
    assert len(notes) == 2  # and that Bob is in no shot


def test_a_character_that_is_not_there_is_a_problem(read):
    """Told under the column's own name."""
    items, _ = read({"characters": CHARACTERS, "shots": [{**SHOTS[0], "ff_vis_char_idxs": [5]}]})
    problems = [item for item in items if isinstance(item, Problem)]
    assert [problem.field for problem in problems] == ["ff_vis_char_idxs"]


def test_characters_who_are_only_heard_or_share_a_name_are_no_trouble(read):
    """The first have no features; the second keep their numbers apart."""
    heard = {"idx": 2, "identifier_in_scene": "Voice", "is_visible": False, "static_features": ""}
    twin = {**CHARACTERS[0], "idx": 3, "static_features": "A twin."}
    document = {
        "characters": [*CHARACTERS, heard, twin],
        "shots": [{**SHOTS[0], "ff_vis_char_idxs": [0, 3]}],
    }
    items, _ = read(document)
    assert [item.id for item in items] == ["cast-Alice", "cast-Alice-3", "0"]
    assert not [item for item in items if isinstance(item, Problem)]
