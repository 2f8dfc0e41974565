"""Stored images as references: recognise their addresses, and read them from the store."""

from collections.abc import Awaitable, Callable
from urllib.parse import unquote

from stills.contract.errors import InvalidReference
from stills.contract.file_url import file_path, is_local_file_url
from stills.contract.generation import Image, rendition_id
from stills.contract.image_address import image_uri, read_image_address
from stills.contract.ports.library import ImageIndex
from stills.contract.ports.store import Store
from stills.pipeline.object_names import read_object_path

ReadImage = Callable[[Image], Awaitable[bytes]]
"""Reads a stored image; a lost rendition is rendered again."""


class StoredReferences:
    """Reads references that are stored images, without a download.

    `public_url` is the address of our own service for its clients, if it has one.
    """

    def __init__(
        self, index: ImageIndex, store: Store, read: ReadImage, *, public_url: str | None = None
    ) -> None:
        self._index = index
        self._store = store
        self._read = read
        self._public_url = public_url

    async def read(self, given: str) -> tuple[bytes, str] | None:
        """Return a stored image's PNG, and its URI; None if `given` is not the address of one.

        Raises:
            InvalidReference: it is the address of an image that is not stored.
            ImageMissing: the image is missing from the store, or damaged.
            StoreRefused: the store can't be read.
        """
        image_id = read_image_address(given, self._public_url)
        if image_id is None:
            image = await self._find_by_url(given)
        else:
            image = await self._index.find_image(image_id)
            if image is None:
                raise InvalidReference(
                    f"reference_image: no stored image has the id {image_id[:60]!r}",
                    field="reference_image",
                    action="Use the id of a stored image, or give the image itself; nothing was "
                    "sent.",
                )
        if image is None:
            return None
        return await self._read(image), image_uri(image.rendition.id)

    async def _find_by_url(self, url: str) -> Image | None:
        """Find the image that the store has at a URL, such as one that we returned."""
        scheme, separator, rest = url.partition("://")
        name = unquote(rest.partition("?")[0].rpartition("/")[2])
        named = read_object_path(name) if separator else None
        if named is None:
            return None
        image = await self._index.find_image(rendition_id(*named))
        if image is None:
            return None
        path = image.rendition.object_path
        own = self._store.url(path)
        if scheme.lower() == "file":
            return image if _is_same_file(url, own) else None
        if url == own:
            return image
        (link,) = await self._store.links([path])
        address, signature, _ = link.partition("?")
        # A signature differs each time, and an expired one still names the image.
        return image if (url.partition("?")[0] if signature else url) == address else None


def _is_same_file(url: str, own: str) -> bool:
    """Return whether two URLs name one file, however they are escaped."""
    return is_local_file_url(url) and own.startswith("file:") and file_path(url) == file_path(own)
