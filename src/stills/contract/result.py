"""The result of a request."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from stills.contract.file_url import file_path, is_local_file_url


@dataclass(frozen=True, kw_only=True)
class ImageResult:
    """One stored image: the contract's four fields, then its other properties.

    `width` and `height` are pixels of the image at `image_url`; `native_size` is the size that the
    model made, W*H. `cached` means that no API call was needed. `cost_usd` is what this result
    added to the bill: 0 if it came from the catalog, None if the model's price is unknown. Sandbox
    images have the prices of real ones, but nothing is billed: their `provider` is `sandbox`.
    `object_path` is the image's path in the store, which stays the same when `image_url` expires.
    `provider_url` is the provider's own link to the image at `native_size`, which dies within a
    day; None if the image came from the catalog or its link is dead. It opens the image for anyone,
    so it is not logged, stored or sent to clients.
    """

    image_url: str
    width: int
    height: int
    seed: int
    id: str
    cached: bool
    provider: str
    model: str
    native_size: str
    cost_usd: float | None
    notes: tuple[str, ...] = ()
    object_path: str = ""
    provider_url: str | None = field(default=None, repr=False, compare=False)

    @property
    def path(self) -> Path | None:
        """The image's file; None if the store is a bucket or on another machine."""
        return file_path(self.image_url) if is_local_file_url(self.image_url) else None

    def open(self) -> BinaryIO:
        """Open the image's file for reading bytes.

        Raises:
            FileNotFoundError: the file was deleted, or the image has none: read that with
                `Stills.images.read`.
        """
        if self.path is None:
            raise FileNotFoundError(
                f"image {self.id} has no file on this machine: read it with "
                "`await stills.images.read(await stills.images.find(result.id))`"
            )
        return self.path.open("rb")

    def _repr_png_(self) -> bytes | None:
        """Show the picture in Jupyter, if it has a file."""
        try:
            with self.open() as file:
                return file.read()
        except OSError:
            return None

    def contract_fields(self) -> dict[str, str | int]:
        """Return exactly `image_url`, `width`, `height` and `seed`."""
        return {
            "image_url": self.image_url,
            "width": self.width,
            "height": self.height,
            "seed": self.seed,
        }

    def lasting_fields(self) -> dict[str, Any]:
        """Return all fields but the provider's link, for records and clients."""
        fields = asdict(self)
        del fields["provider_url"]
        return fields
