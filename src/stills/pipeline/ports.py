"""The adapters of one Stills, as every step gets them."""

from dataclasses import dataclass

from stills.contract.ports import Catalog, Downloader, Imaging, Provider, Store


@dataclass(frozen=True, slots=True)
class Ports:
    """What the steps work with. `spool` takes the images that `store` refuses.

    With a `downloader`, references come from strangers: no local path, no URL for the provider.
    """

    provider: Provider
    catalog: Catalog
    store: Store
    imaging: Imaging
    spool: Store
    downloader: Downloader | None = None
