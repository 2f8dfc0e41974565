"""Checking a shot list before anything is sent."""

import pytest
from tests.support.batch_run import check_list, write_list

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
