"""Reading a MulmoScript."""

import json
from dataclasses import replace

import pytest

from stills.shotlist.reader import read_shots
from stills.shotlist.shots import Defaults, Problem, Shot, ShotReference

SCRIPT = {
    "$mulmocast": {"version": "1.1"},
    "title": "A walk",
    "canvasSize": {"width": 1536, "height": 1024},
    "speechParams": {"speakers": {}},
    "imageParams": {
        "provider": "openai",
        "style": "ink wash",
        "images": {
            "girl": {"type": "imagePrompt", "prompt": "a girl in red"},
            "cat": {
                "type": "image",
                "source": {"kind": "url", "url": "https://example.com/cat.png"},
            },
            "dog": {"type": "image", "source": {"kind": "base64", "data": "AAAA"}},
        },
    },
    "beats": [
        {"id": "one", "speaker": "P", "text": "Hello", "imagePrompt": "a field", "duration": 4},
        {"text": "She runs", "imageNames": ["girl"], "imageParams": {"style": "oil"}},
        {"text": "Nobody", "imageNames": [], "imagePrompt": "a road"},
        {"text": "Slide", "image": {"type": "markdown", "markdown": "# x"}},
        {"text": "Film", "moviePrompt": "a pan"},
    ],
}


@pytest.fixture
def read(tmp_path):
    """Read a script: its shots by id, its problems, the list itself."""

    def write_and_read(script, defaults=None):
        path = tmp_path / "script.json"
        path.write_text(json.dumps(script), encoding="utf-8")
        shot_list = read_shots(path, defaults)
        items = list(shot_list)
        shots = {item.id: item for item in items if isinstance(item, Shot)}
        return shots, [item for item in items if isinstance(item, Problem)], shot_list

    return write_and_read


def test_beats_become_shots_with_canvas_and_style(read):
    """Without imagePrompt the text is the prompt; a beat's own style takes precedence."""
    shots, problems, shot_list = read(SCRIPT)
    assert not problems
    assert shot_list.title == "A walk"
    assert list(shots) == ["cast-girl", "one", "shot-0002", "shot-0003"]
    assert shots["one"].request.size == "1536*1024"
    assert [shot.dialogue for shot in shots.values()] == [None, "Hello", "She runs", "Nobody"]
    assert shots["one"].request.style == "ink wash"
    assert shots["one"].duration_seconds == 4
    assert shots["shot-0002"].request.prompt == "She runs"
    assert shots["shot-0002"].request.style == "oil"


def test_images_are_the_cast_of_every_beat_without_image_names(read):
    """This is what mulmocast does."""
    shots, _, _ = read(SCRIPT)
    assert shots["one"].needs == ("cast-girl",)
    girl, cat, *others = shots["one"].references
    assert (girl.shot, girl.member, girl.description) == ("cast-girl", "girl", "a girl in red")
    assert (cat.image, cat.member) == ("https://example.com/cat.png", "cat")
    assert [one.image for one in others] == ["data:image/png;base64,AAAA"]
    assert [one.member for one in shots["shot-0002"].references] == ["girl"]
    assert shots["shot-0003"].needs == ()


def test_beats_with_their_own_picture_are_skipped_with_a_note(read):
    """A note names what the beat has instead."""
    notes = " ".join(read(SCRIPT)[2].notes)
    assert "own image" in notes
    assert "own moviePrompt" in notes
    assert "generated from their text" in notes


def test_a_script_without_a_canvas_has_the_size_of_mulmocast(read):
    """The command line takes precedence over it."""
    script = {"$mulmocast": {"version": "1.1"}, "beats": [{"text": "x"}]}
    assert read(script)[0]["shot-0001"].request.size == "1280*720"
    assert read(script, Defaults(size="64*64"))[0]["shot-0001"].request.size == "64*64"


def test_an_invalid_script_has_problems(read):
    """A missing image, an invalid canvas, a beat without a prompt."""
    _, problems, _ = read({"beats": [{"text": "x", "imageNames": ["y"]}]})
    assert problems[0].field == "cast"
    _, problems, _ = read({"canvasSize": {"width": 5}, "beats": [{"text": "x"}]})
    assert problems[0].field == "canvasSize"
    _, problems, _ = read({"beats": [{}, 5]})
    assert [problem.field for problem in problems] == ["prompt", None]


GIRL = {"type": "imagePrompt", "prompt": "a girl in red"}
CLIP = {"type": "movie", "source": {"kind": "path", "path": "clip.mp4"}}


def script_of(images, *beats):
    return {"imageParams": {"images": images}, "beats": list(beats)}


def test_an_image_that_refers_to_another_needs_its_portrait(read):
    """Both of mulmocast's forms work; an image that only another one needs is generated."""
    images = {
        "angry": {"type": "imagePrompt", "prompt": "she shouts", "referenceImageName": "girl"},
        "happy": {"type": "imagePrompt", "prompt": "she laughs", "references": [{"name": "cat"}]},
        "girl": GIRL,
        "cat": SCRIPT["imageParams"]["images"]["cat"],
        "spare": GIRL,
    }
    shots, problems, shot_list = read(
        script_of(images, {"imagePrompt": "x", "imageNames": ["angry", "happy"]})
    )
    assert not problems
    assert list(shots) == ["cast-angry", "cast-happy", "cast-girl", "shot-0001"]
    assert shots["cast-angry"].needs == ("cast-girl",)
    assert [one.image for one in shots["cast-happy"].references] == ["https://example.com/cat.png"]
    assert any("spare" in note for note in shot_list.notes)


def test_the_references_of_an_image_keep_their_order_and_labels(read, tmp_path):
    """Names and sources can be mixed; a name takes precedence over a source, as in mulmocast."""
    coat = {"kind": "path", "path": "coat.png"}
    images = {
        "girl": GIRL,
        "angry": GIRL
        | {
            "references": [
                {"source": coat, "label": "her coat"},
                {"name": "girl", "source": coat, "label": "the girl"},
                {"name": "girl"},
            ]
        },
    }
    shots, problems, _ = read(script_of(images, {"imagePrompt": "x", "imageNames": ["angry"]}))
    assert not problems
    girl = ShotReference(shot="cast-girl", member="girl", description="a girl in red")
    assert shots["cast-angry"].references == (
        ShotReference(image=str(tmp_path / "coat.png"), label="her coat"),
        replace(girl, label="the girl"),
        girl,
    )


def test_a_label_that_is_not_text_is_a_problem(read):
    """The problem names the field."""
    images = {"girl": GIRL | {"references": [{"name": "cat", "label": 5}]}, "cat": GIRL}
    _, problems, _ = read(script_of(images, {"imagePrompt": "x", "imageNames": ["girl"]}))
    assert problems[0].field == "label"


def test_an_image_may_have_its_own_reference_and_size(read, tmp_path):
    """A reference's path starts at the script's folder; an invalid size is a problem."""
    source = {"kind": "path", "path": "face.png"}
    images = {
        "girl": GIRL | {"referenceImage": source, "canvasSize": {"width": 640, "height": 480}}
    }
    shots, problems, _ = read(script_of(images, {"imagePrompt": "x"}))
    assert not problems
    assert shots["cast-girl"].request.size == "640*480"
    assert shots["cast-girl"].references == (ShotReference(image=str(tmp_path / "face.png")),)
    images = {"girl": GIRL | {"canvasSize": {"width": 640}}}
    _, problems, _ = read(script_of(images, {"imagePrompt": "x", "imageNames": []}))
    assert [(problem.field, "'girl'" in problem.message) for problem in problems] == [
        ("canvasSize", True)
    ]


@pytest.mark.parametrize("reference", ["nobody", "clip", None, ["girl"]])
def test_a_reference_to_a_missing_still_is_a_problem(read, reference):
    """It is never silently dropped."""
    images = {"girl": GIRL | {"references": [{"name": reference}]}, "clip": CLIP}
    _, problems, _ = read(script_of(images, {"imagePrompt": "x", "imageNames": ["girl"]}))
    assert [problem.field for problem in problems] == ["referenceImageName", "cast"]
    named = repr(reference) if isinstance(reference, str) else "a name that is not text"
    assert f"refers to {named}, which" in problems[0].message


def test_images_that_are_not_stills_are_left_out_with_a_note(read):
    """A movie is not a reference; beats that name it keep their other images."""
    images = {"girl": GIRL, "clip": CLIP, "pan": {"type": "moviePrompt", "prompt": "a pan"}}
    shots, problems, shot_list = read(
        script_of(
            images, {"imagePrompt": "x"}, {"imagePrompt": "y", "imageNames": ["clip", "girl"]}
        )
    )
    assert not problems
    assert shots["shot-0001"].needs == shots["shot-0002"].needs == ("cast-girl",)
    found = [note for note in shot_list.notes if "is not a still" in note]
    assert [note.split()[2] for note in found] == ["clip", "pan"]


def test_a_beats_own_images_are_only_in_its_cast(read):
    """They take precedence over the script's; the beat's number makes their names unique."""
    cat, old = GIRL | {"prompt": "a cat"}, GIRL | {"prompt": "an old girl"}
    shots, problems, shot_list = read(
        script_of(
            {"girl": GIRL},
            {"imagePrompt": "x", "imageNames": ["girl"]},
            {"imagePrompt": "y", "images": {"girl": old, "cat": cat}, "imageNames": ["girl"]},
            {"imagePrompt": "z", "images": {"cat": cat}},
        )
    )
    assert not problems
    assert [one.description for one in shots["shot-0001"].references] == ["a girl in red"]
    assert shots["shot-0002"].needs == ("cast-girl-2",)
    assert shots["cast-girl-2"].request.prompt == "an old girl"
    assert shots["shot-0003"].needs == ("cast-girl", "cast-cat")
    assert not [note for note in shot_list.notes if "images of beats" in note]
