"""The library: the stored images, as people look for them."""

from collections.abc import Sequence
from typing import Protocol

from stills.contract.generation import Image
from stills.contract.search import ImagePage, ImageSearch


class ImageIndex(Protocol):
    """Lists and finds stored images. Raises CatalogError when it fails."""

    async def list_images(self, *, limit: int) -> Sequence[Image]:
        """List the newest images first."""
        ...

    async def search_images(
        self, search: ImageSearch, *, limit: int, cursor: str | None
    ) -> ImagePage:
        """List one page of images, newest generation first; `cursor` is from the previous page.

        Raises:
            InvalidRequest: the cursor is invalid.
        """
        ...

    async def find_images(self, prefix: str) -> Sequence[Image]:
        """Find images whose id starts with `prefix`; at most ten."""
        ...

    async def find_image(self, image_id: str) -> Image | None:
        """Look up an image by its complete id."""
        ...
