"""The stored images of one Stills: find, read, copy and verify them. Nothing here calls the API."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from stills.contract.generation import Image, Send
from stills.contract.image_kinds import ImageKind
from stills.contract.ports.imaging import PngImage, TextLook
from stills.contract.result import ImageResult
from stills.loop_guard import LoopGuard
from stills.pipeline.generate import Pipeline
from stills.pipeline.ports import Ports
from stills.pipeline.read import find_by_prefix

if TYPE_CHECKING:
    from stills.contract.ports.batch_folders import BatchFolders
    from stills.contract.search import ImageLabels, ImagePage, ImageSearch
    from stills.contract.size import Size
    from stills.contract.upkeep import Imported, OnProgress, StoredGeneration, Verified


@dataclass(frozen=True, slots=True)
class ImageDetails:
    """A stored image, its URL, and the API calls that paid for it."""

    image: Image
    image_url: str
    sends: Sequence[Send]


class Library:
    """The stored images, as `stills.images`; it is closed with its Stills."""

    def __init__(self, ports: Ports, pipeline: Pipeline, guard: LoopGuard) -> None:
        self._guarded_ports = ports
        self._pipeline = pipeline
        self._guard = guard

    async def list(self, *, limit: int = 20) -> Sequence[Image]:
        """List stored images, newest first."""
        return await self._ports.catalog.list_images(limit=limit)

    async def search(
        self, search: "ImageSearch", *, limit: int = 20, cursor: str | None = None
    ) -> "ImagePage":
        """List one page of the images that match, newest first.

        `cursor` is the one returned with the previous page.

        Raises:
            InvalidRequest: invalid cursor.
        """
        return await self._ports.catalog.search_images(search, limit=limit, cursor=cursor)

    async def list_labels(self, *, limit: int = 200) -> "ImageLabels":
        """List the models and the styles of stored images, at most `limit` of each."""
        return await self._ports.catalog.list_labels(limit=limit)

    async def list_sizes(self, image: Image) -> Sequence[Image]:
        """List an image in all sizes that are stored, at most ten."""
        return await self._ports.catalog.find_images(f"{image.generation.id}-")

    async def find(self, image_id: str) -> Image | None:
        """Find an image by its full id."""
        return await self._ports.catalog.find_image(image_id)

    async def show(self, prefix: str) -> ImageDetails:
        """Return everything known about the image whose id starts with `prefix`.

        Raises:
            NotFound: no image's id starts with it.
            InvalidRequest: several do, or it has fewer than four characters.
        """
        image = await find_by_prefix(self._ports, prefix)
        (link,) = await self.links([image])
        return ImageDetails(image, link, await self.list_sends(image))

    async def list_sends(self, image: Image) -> Sequence[Send]:
        """List the API calls that paid for an image, oldest first."""
        return await self._ports.catalog.list_sends(image.generation.id)

    def url(self, image: Image) -> str:
        """Return the URL of an image in the store; `links` may open where this does not."""
        return self._ports.store.url(image.rendition.object_path)

    async def links(self, images: Sequence[Image]) -> Sequence[str]:
        """Return where each image opens, as STILLS_IMAGE_URL says; signed links are new.

        Raises:
            StoreRefused: a link can't be signed.
        """
        return await self._ports.store.links([image.rendition.object_path for image in images])

    async def renew_links(self, results: Sequence[ImageResult]) -> Sequence[ImageResult]:
        """Return earlier results with new links, because signed ones expire.

        Raises:
            StoreRefused: a link can't be signed.
        """
        paths = [result.object_path for result in results if result.object_path]
        links = dict(zip(paths, await self._ports.store.links(paths), strict=True))
        return [
            replace(result, image_url=links.get(result.object_path, result.image_url))
            for result in results
        ]

    async def exists(self, image: Image) -> bool:
        """Return whether the store has an image, without reading it.

        Raises:
            StoreRefused: the store can't be used.
        """
        rendition = image.rendition
        path, byte_count = rendition.object_path, rendition.byte_count
        return await self._ports.store.exists(path, byte_count=byte_count)

    async def read(self, image: Image) -> bytes:
        """Read an image's PNG; a lost or damaged rendition is rendered again.

        Raises:
            ImageMissing: the image is missing from the store, or damaged.
            StoreRefused: the store can't be read.
        """
        self._guard.check()
        return await self._pipeline.read(image)

    async def thumbnail(self, image: Image, *, side_max_pixels: int = 512) -> bytes:
        """Render an image as a JPEG that fits into a square. It is free and not stored.

        Raises:
            ImageMissing: the image is missing from the store, or damaged.
            StoreRefused: the store can't be read.
        """
        png = await self.read(image)
        return await self._ports.imaging.thumbnail(png, side_max_pixels)

    async def small(self, image: Image) -> bytes:
        """Return an image as a JPEG of at most 512 pixels per side. It is free, and made once.

        Raises:
            ImageMissing: the image is missing from the store, or damaged.
            StoreRefused: the store can't be read.
        """
        self._guard.check()
        return await self._pipeline.thumbnail(image)

    async def scale_down(self, png: bytes, *, side_max_pixels: int) -> bytes:
        """Return a PNG as a JPEG that fits into a square. Nothing is stored.

        Raises:
            DamagedImage: the bytes can't be decoded.
        """
        self._guard.check()
        return await self._ports.imaging.thumbnail(png, side_max_pixels)

    async def draw_text(self, text: str, look: TextLook) -> PngImage:
        """Draw text in any script on a transparent ground. Nothing is stored."""
        self._guard.check()
        return await self._ports.imaging.draw_text(text, look)

    async def convert_to_png(self, data: bytes, name: str) -> PngImage:
        """Check a picture of the user to its last pixel, and return it upright as a PNG.

        Nothing is stored. Errors call the picture `name`.

        Raises:
            InvalidReference: the format is not supported, it can't be decoded, or has a wrong size.
        """
        self._guard.check()
        return await self._ports.imaging.convert_to_png(data, name)

    async def fit(self, image: Image, size: "Size", kind: ImageKind, *, quality: int) -> bytes:
        """Crop and scale an image to another size, and encode it. It is free and not stored.

        Raises:
            ImageMissing: the image is missing from the store, or damaged.
            StoreRefused: the store can't be read.
        """
        self._guard.check()
        png = await self._pipeline.fit(image, size)
        return await self._ports.imaging.encode(png, kind, quality)

    async def encode(self, image: Image, kind: ImageKind, *, quality: int) -> bytes:
        """Read an image as PNG, JPEG or WebP of a quality from 0 to 100. It is free and not stored.

        Raises:
            ImageMissing: the image is missing from the store, or damaged.
            StoreRefused: the store can't be read.
        """
        return await self._ports.imaging.encode(await self.read(image), kind, quality)

    async def check_target(self, path: Path) -> None:
        """Check, before anything is paid for, that `save` can write to `path`.

        Raises:
            OutputRefused: it can't be written, is a file of the store, spool or catalog, or has the
                name of a format that Stills does not write.
        """
        from stills.maintenance.export import check_target  # noqa: PLC0415 - only if copied

        await check_target(self._ports, path)

    async def save(self, image_id: str, path: Path) -> None:
        """Copy an image to a file, atomically: as JPEG or WebP if its name says so, else as PNG.

        Raises:
            OutputRefused: the file can't be written, or is one of ours; the image stays stored.
            ImageMissing: the image is missing from the store, or damaged.
        """
        from stills.maintenance.export import QUALITY, find_format, save  # noqa: PLC0415

        image = await find_by_prefix(self._ports, image_id)
        data = await self.encode(image, find_format(path), quality=QUALITY)
        await save(self._ports, image, data, path)

    async def export(self, image: Image, folder: Path) -> Path:
        """Copy an image with its sidecar to a folder, for `import_folder`; returns its file there.

        The image that it was scaled from is copied too. Files that are there already stay.

        Raises:
            OutputRefused: a file can't be written, or another one has its name.
            ImageMissing: the image is missing from the store, or damaged.
        """
        from stills.maintenance.exchange import export_image  # noqa: PLC0415 - rarely used

        return await export_image(self._ports, image, await self.read(image), folder)

    async def import_folder(
        self, folder: Path, *, on_progress: "OnProgress" = lambda _: None
    ) -> "Imported":
        """Add the images of a folder, whose requests are then answered without being billed.

        Raises:
            InvalidRequest: the folder can't be read, or has no sidecars.
            StorageError: the catalog or the store can't be used.
        """
        from stills.maintenance.imports import import_folder  # noqa: PLC0415 - rarely used

        return await import_folder(self._ports, folder, on_progress)

    async def delete(self, image: Image) -> None:
        """Delete an image in all its sizes; the ledger keeps the calls that paid for it.

        An equal request is billed again. If this fails, it can be repeated.

        Raises:
            WrongStore: the store's disk is not mounted, or is another's. Nothing was deleted.
            StoreRefused: a file can't be deleted.
        """
        from stills.maintenance.delete import delete  # noqa: PLC0415 - rarely used

        await delete(self._ports, image.generation.id)

    async def list_older_than(self, before: float) -> "Sequence[StoredGeneration]":
        """List the stored images that were created before a time in Unix seconds, oldest first."""
        found: list[StoredGeneration] = []
        after: str | None = None
        while page := await self._ports.catalog.list_older_than(before, after=after):
            found += page
            after = page[-1].id
        return found

    async def delete_many(
        self, generation_ids: Sequence[str], *, on_progress: "OnProgress" = lambda _: None
    ) -> None:
        """Delete images in all their sizes, by generation, as `delete` does, several at once.

        Raises:
            WrongStore: the store's disk is not mounted, or is another's.
            StoreRefused: a file can't be deleted; repeat it for the rest.
        """
        from stills.maintenance.delete import delete_many  # noqa: PLC0415 - rarely used

        await delete_many(self._ports, generation_ids, on_progress)

    @property
    def batch_folders(self) -> "BatchFolders":
        """The output folders of batches."""
        return self._ports.catalog.batch_folders

    async def verify(self, *, on_progress: "OnProgress" = lambda _: None) -> "Verified":
        """Hash and decode every image in the store and compare it with the catalog."""
        from stills.maintenance.verify import verify  # noqa: PLC0415 - slow, and rarely used

        return await verify(self._ports, on_progress)

    @property
    def _ports(self) -> Ports:
        self._guard.check()
        return self._guarded_ports
