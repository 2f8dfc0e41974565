"""The adapters of one Stills, which every step gets."""

from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from stills.contract.ports.catalog import Catalog
from stills.contract.ports.downloader import Downloader
from stills.contract.ports.imaging import Imaging
from stills.contract.ports.provider import Provider
from stills.contract.ports.store import Store
from stills.contract.ports.tokenizer import Tokenizer
from stills.pipeline.store_marker import StoreMarker


@dataclass(frozen=True, slots=True)
class Ports:
    """The adapters. `spool` takes the images that `store` refuses.

    `marker` must be checked before anything is written to the store. `trusts_references` is false
    if reference images come from strangers: local paths are rejected then, and `downloader` must
    refuse private addresses. `public_url` is the address of our own service for its clients.
    `thumbnails` keeps small copies of images, all of which may be lost; None keeps none.
    """

    provider: Provider
    catalog: Catalog
    store: Store
    imaging: Imaging
    spool: Store
    tokenizer: Tokenizer
    downloader: Downloader
    trusts_references: bool = True
    public_url: str | None = None
    thumbnails: Store | None = None
    marker: StoreMarker = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "marker", StoreMarker(self.store, self.catalog))

    async def close(self) -> None:
        """Close all adapters, even if one fails to."""
        async with AsyncExitStack() as stack:
            for adapter in (self.catalog, self.spool, self.store, self.provider):
                stack.push_async_callback(adapter.close)
