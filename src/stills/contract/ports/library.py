"""The library: the stored images, as people look for them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from stills.contract.generation import Image

if TYPE_CHECKING:
    from stills.contract.search import ImageLabels, ImagePage, ImageSearch


class ImageIndex(Protocol):
    """Lists, finds and deletes stored images. Raises CatalogError when it fails."""

    async def list_images(self, *, limit: int) -> Sequence[Image]:
        """List the newest images first."""
        ...

    async def search_images(
        self, search: "ImageSearch", *, limit: int, cursor: str | None
    ) -> "ImagePage":
        """List one page of images, newest generation first; `cursor` is from the previous page.

        Raises:
            InvalidRequest: the cursor is invalid.
        """
        ...

    async def list_labels(self, *, limit: int) -> "ImageLabels":
        """List the models and the styles of images, at most `limit` of each."""
        ...

    async def find_images(self, prefix: str) -> Sequence[Image]:
        """Find images whose id starts with `prefix`; at most ten."""
        ...

    async def find_image(self, image_id: str) -> Image | None:
        """Look up an image by its complete id."""
        ...

    async def list_generation_objects(self, generation_id: str) -> Sequence[str]:
        """List the paths of a generation's images in the store, in all sizes."""
        ...

    async def delete_generation(self, generation_id: str) -> None:
        """Forget a stored generation in all sizes, but not its calls in the ledger.

        An equal request starts a new generation. Deleting twice does nothing.
        """
        ...
