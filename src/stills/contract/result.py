"""What a caller gets back."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ImageResult:
    """One kept image: the contract's four fields, then what else is known of it.

    `width` and `height` are pixels of the image at `image_url`; `native_size` is what the model
    made, W*H. `cached` means that no send was needed. `cost_usd` is what this answer added to the
    bill: 0 when it came from the catalog, None where the model's price is unknown. Sandbox images
    are priced like real ones, as play money, and `provider` tells them apart.
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

    def contract_fields(self) -> dict[str, str | int]:
        """Exactly `image_url`, `width`, `height` and `seed`."""
        return {
            "image_url": self.image_url,
            "width": self.width,
            "height": self.height,
            "seed": self.seed,
        }
