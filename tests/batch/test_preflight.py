"""Checking a shot list before anything is sent."""

import pytest
from tests.support.batch_run import check_list, write_list
from tests.support.finished_shots import write_png

from stills.batch.estimate import make_estimate
from stills.batch.preflight import BatchOptions, check
from stills.contract.errors import InvalidRequest
from stills.shotlist.reader import read_shots


def test_fresh_must_name_shots(stills, tmp_path):
    """An unknown id is refused, with a suggestion."""
    path = write_list(tmp_path, {"id": "sea", "prompt": "a"}, {"id": "harbour", "prompt": "a"})
    with pytest.raises(InvalidRequest, match="harbor") as caught:
        check_list(stills, path, fresh=frozenset({"harbor"}))
    assert "Did you mean harbour" in caught.value.action


def test_a_fresh_portrait_must_be_needed_by_a_shot(stills, tmp_path):
    """If the cast is described in the prompts, its portrait would be silently ignored."""
    path = tmp_path / "film.yaml"
    path.write_text(
        "size: 512*512\ncast: {anna: a tall woman}\nshots: [{prompt: the sea, cast: anna}]"
    )
    fresh = frozenset({"cast-anna"})
    assert check_list(stills, path, fresh=fresh).needed == {"cast-anna"}
    model = stills.model("qwen-image-max")
    with pytest.raises(InvalidRequest, match="no shot needs the portrait 'cast-anna'"):
        check(read_shots(path), BatchOptions(model, fresh=fresh))


async def test_all_bad_rows_are_reported_at_once(stills, tmp_path):
    """Each has its line and field, also if it waits for the image of another shot."""
    write_png(tmp_path / "small.png", 8, 8)
    needs = {"prompt": "x", "reference_shot": "portrait"}
    path = write_list(
        tmp_path,
        {"id": "portrait", "prompt": "a portrait"},
        {"prompt": "x", "reference_images": ["small.png"] * 4},
        needs | {"prompt": "a kite " * 1000},
        needs | {"negative_prompt": "y" * 600},
        needs | {"prompt_extend_mode": "agent"},
        needs | {"reference_images": ["nowhere.png", "small.png"]},
        needs | {"reference_image": "small.png"},
        needs | {"takes": 17},
        needs | {"size": "16:99999"},
    )
    _, batch = await make_estimate(stills, check_list(stills, path), tmp_path / "out")
    assert sorted((int(one.source[-1]), one.field) for one in batch.problems) == [
        (2, "reference_images"),
        (3, "prompt"),
        (4, "negative_prompt"),
        (5, "prompt_extend_mode"),
        (6, "reference_images[0]"),
        (7, "reference_image"),
        (8, "takes"),
        (9, "size"),
    ]
    assert all(one.action for one in batch.problems)
