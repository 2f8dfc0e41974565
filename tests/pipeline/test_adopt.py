"""Adopt: whether an image may be in a store that refuses to answer."""

from collections.abc import AsyncIterator, Sequence
from types import SimpleNamespace

import pytest

from stills.contract.errors import StoreRefused
from stills.pipeline.adopt import adopt

ID = "0123456789ab"


class Refusing:
    """A store that doesn't say whether an object exists, but lists some pages of names."""

    def __init__(self, *pages: Sequence[str]) -> None:
        self._pages = pages

    async def exists(self, path: str) -> bool:
        raise StoreRefused(f"could not look for {path}")

    async def pages(self, _: str) -> AsyncIterator[Sequence[str]]:
        for page in self._pages:
            yield page


async def test_a_store_with_images_that_does_not_answer_is_an_error():
    """The image may be there, so nobody may pay for it again."""
    ports = SimpleNamespace(store=Refusing([], [f"facts/{ID}.json"]), spool=Refusing())
    with pytest.raises(StoreRefused, match=f"could not look for facts/{ID}.json"):
        await adopt(ports, ID)


@pytest.mark.parametrize("pages", [(), ([],)], ids=["nothing", "an empty page"])
async def test_a_store_that_was_never_used_has_no_image(pages: Sequence[Sequence[str]]):
    """Its folder is missing as a whole, but that is not an error."""
    ports = SimpleNamespace(store=Refusing(*pages), spool=Refusing())
    assert await adopt(ports, ID) is None
