"""Record: what a result says of the image."""

import pytest
from tests.support.catalog_steps import spec

from stills.contract.generation import Generation, Rendition, Stage
from stills.contract.size import Size
from stills.pipeline.record import make_result, try_to_count


class UnusedCatalog:
    """A catalog on which nothing may be called."""


@pytest.mark.parametrize(
    ("size", "notes"),
    [
        (Size(1328, 1328), ()),
        (Size(664, 664), ("Scaled down from 1328*1328.",)),
        (Size(1000, 600), ("Cropped and scaled from 1328*1328.",)),
        (Size(2000, 2000), ("Scaled up from 1328*1328.",)),
        (Size(1329, 500), ("Scaled up from 1328*1328.",)),
        (Size(500, 1329), ("Scaled up from 1328*1328.",)),
    ],
    ids=str,
)
def test_a_note_says_how_the_image_was_rendered(size: Size, notes: tuple[str, ...]):
    """One that was scaled up is less sharp than its size suggests."""
    generation = Generation("ab" * 6, spec("a"), Stage.KEPT, 0.0)
    rendition = Rendition(generation.id, size, "0" * 64, 9, "a.png")
    made = make_result(generation, rendition, "file:///a.png", sent=False)
    assert (made.native_size, made.notes) == ("1328*1328", notes)


async def test_counting_no_answers_does_not_use_the_catalog():
    """A batch may have no row that is stored."""
    assert await try_to_count(UnusedCatalog(), []) == ()
