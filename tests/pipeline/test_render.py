"""Render: what can be rendered, and what can't."""

import pytest
from tests.support.catalog_steps import spec

from stills.contract.errors import ImageMissing
from stills.contract.generation import Generation, Stage
from stills.pipeline.render import native_rendition


@pytest.mark.parametrize("missing", ["object_path", "sha256", "byte_count"])
def test_a_generation_that_was_never_stored_has_no_image(missing: str):
    """Without its place, its digest or its length, it can't be read or verified."""
    facts = {"object_path": "a.png", "sha256": "ab" * 32, "byte_count": 9} | {missing: None}
    generation = Generation("0123456789ab", spec("a"), Stage.ANSWERED, 0.0, (), **facts)
    with pytest.raises(ImageMissing, match="0123456789ab has no image in the store"):
        native_rendition(generation)
