"""Work on images that a hand-over needs done."""

from typing import Protocol

from stills.contract.ports.imaging import PngImage, TextLook


class Pictures(Protocol):
    """Scales images down, and draws text. Every method blocks."""

    def scale_down(self, png: bytes, side_max_pixels: int) -> bytes:
        """Return a PNG as a JPEG that fits into a square.

        Raises:
            DamagedImage: the bytes can't be decoded.
        """
        ...

    def draw_text(self, text: str, look: TextLook) -> PngImage:
        """Draw text on a transparent ground."""
        ...
