"""Reading files with any content: shots, problems or a refusal, and no other error."""

import json
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stills.contract.errors import InvalidRequest
from stills.shotlist.reader import read_shots
from stills.shotlist.shots import Defaults, Problem, Shot

DEFAULTS = Defaults(size="1024*1024")

QUIET = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def read_all(path):
    with suppress(InvalidRequest):
        assert all(isinstance(item, Shot | Problem) for item in read_shots(path, DEFAULTS))


@QUIET
@given(
    content=st.binary(max_size=200) | st.text(max_size=200).map(str.encode),
    suffix=st.sampled_from(["csv", "tsv", "jsonl", "json", "yaml", "txt"]),
)
def test_any_bytes_are_read_or_refused(tmp_path, content, suffix):
    """They never raise another error than InvalidRequest."""
    path = tmp_path / f"any.{suffix}"
    path.write_bytes(content)
    read_all(path)


KEYS = st.sampled_from(
    [
        "shots",
        "beats",
        "title",
        "size",
        "width",
        "height",
        "cast",
        "seed",
        "style",
        "prompt",
        "image",
        "id",
        "idx",
        "ff_desc",
        "visual_desc",
        "ff_vis_char_idxs",
        "characters",
        "canvasSize",
        "imageParams",
        "images",
        "type",
        "source",
        "kind",
        "imageNames",
        "references",
        "referenceImageName",
        "name",
        "label",
        "imagePrompt",
        "reference_shot",
        "reference_images",
        "takes",
        "duration",
        "aspect_ratio",
        "static_features",
    ]
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", "x", "1K", "16:9", "512*512", "anna", "["]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=20,
)


@QUIET
@given(rows=st.lists(VALUES, max_size=3), outer=st.dictionaries(KEYS, VALUES, max_size=4))
@pytest.mark.parametrize("key", ["shots", "beats", None])
@pytest.mark.parametrize("suffix", ["json", "yaml", "jsonl"])
def test_any_document_is_read_or_refused(tmp_path, rows, outer, key, suffix):
    """Values of any type may stand in any field."""
    path = tmp_path / f"any.{suffix}"
    document = {**outer, key: rows} if key else rows
    path.write_text(json.dumps(document), encoding="utf-8")
    read_all(path)
