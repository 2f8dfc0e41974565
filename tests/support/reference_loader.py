"""A loader of references without a catalog: no image is stored."""

from stills.contract.pixel_budget import PixelBudget
from stills.contract.ports.downloader import Downloader
from stills.imaging import VipsImaging
from stills.pipeline.reference_cache import ReferenceCache
from stills.pipeline.reference_loader import ReferenceLoader
from stills.pipeline.stored_reference import StoredReferences
from stills.web import OwnerDownload


class NoImages:
    """An index of stored images that has none."""

    async def find_image(self, _: str) -> None:
        return None


def make_loader(
    downloader: Downloader | None = None, *, trusts_references: bool = True
) -> ReferenceLoader:
    """Make a loader for the user of this machine, or for strangers."""
    cache = ReferenceCache(VipsImaging(), PixelBudget(), downloader or OwnerDownload())
    stored = StoredReferences(NoImages(), None, None)
    return ReferenceLoader(cache, stored, trusts_references=trusts_references)
