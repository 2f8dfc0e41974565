"""Reference images: check them, and convert them to what models accept.

Source of the limits: Alibaba Cloud Model Studio, Qwen image API reference: at most 10 MB, sides of
384 to 3072 pixels advised; the smallest side and the ratio are our own. It lists PNG and WebP and
says nothing against transparent ones, so alpha is kept.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from stills.contract.errors import InvalidReference
from stills.contract.image_kinds import HEAD_BYTES, ImageKind, describe_other, find_kind
from stills.contract.ports.imaging import PngImage, ReferenceImage
from stills.contract.size import Size
from stills.imaging.bmp import UndecodableBmp, open_bmp, read_bmp_header
from stills.imaging.icc import is_srgb_profile
from stills.imaging.vips import PIXELS_MAX, first_line, load_vips

_NAME = "reference_image"
SIDE_MIN = 16
SIDE_MAX = 3072
SIDES_RATIO_MAX = 8
SENT_BYTES_MAX = 7_500_000
"""How many bytes may be sent: in base64 they become 10 MB."""

_LOADERS = {
    ImageKind.PNG: "pngload_buffer",
    ImageKind.JPEG: "jpegload_buffer",
    ImageKind.WEBP: "webpload_buffer",
    ImageKind.GIF: "gifload_buffer",
    ImageKind.TIFF: "tiffload_buffer",
}
_SENT_KINDS = (ImageKind.PNG, ImageKind.JPEG, ImageKind.WEBP)
_UPRIGHT = 1
_LYING = 5  # EXIF's orientations from 5 on swap width and height
_BANDS_MAX = 4  # red, green, blue and alpha
_QUALITY = 95
_COMPRESSION = 3
_WEBP_EFFORT = 1  # measured: the default takes four times as long
_STEP = 0.8


@dataclass(frozen=True, slots=True)
class _Header:
    """What the header of a reference says: its size as stored, and what would have to change."""

    kind: ImageKind
    size: Size
    orientation: int = _UPRIGHT
    page_count: int = 1
    is_srgb: bool = True

    @property
    def upright_size(self) -> Size:
        width, height = self.size
        return Size(height, width) if self.orientation >= _LYING else self.size


def measure_reference(data: bytes) -> Size:
    """Return the upright size of a reference image from its header.

    Raises:
        InvalidReference: the format is not supported, or the size is out of range.
    """
    return _read_header(data).upright_size


def prepare_reference(data: bytes) -> ReferenceImage:
    """Decode a reference image to its last pixel, and convert it to what models accept.

    Raises:
        InvalidReference: the format is not supported, it can't be decoded, or has a wrong size.
    """
    header = _read_header(data)
    size = header.upright_size
    if _is_ready(header, len(data)):
        with _decoding(header.kind):
            _open(header.kind, data).avg()  # decodes it to its end
        return ReferenceImage(data, header.kind, size)
    side = min(SIDE_MAX, max(size))
    while True:
        with _decoding(header.kind):
            image = _convert(header, data, side)
            media_type, sent = _encode(image, header.kind)
        if len(sent) <= SENT_BYTES_MAX:
            changes = _describe_changes(header, data, Size(image.width, image.height), sent)
            return ReferenceImage(sent, media_type, size, changes)
        side = int(side * _STEP)


def convert_to_png(data: bytes, name: str) -> PngImage:
    """Decode a picture to its last pixel, and return it upright as a PNG in sRGB, not scaled.

    A PNG that needs no change keeps its bytes. Errors call the picture `name`.

    Raises:
        InvalidReference: the format is not supported, it can't be decoded, or has a wrong size.
    """
    header = _read_header(data, name)
    size = header.upright_size
    with _decoding(header.kind, name):
        if header.kind is ImageKind.PNG and header.is_srgb and header.orientation == _UPRIGHT:
            _open(header.kind, data).avg()
            return PngImage(data, size)
        image = _convert(header, data, max(size))
        return PngImage(image.pngsave_buffer(compression=_COMPRESSION, keep="none"), size)


def _read_header(data: bytes, name: str = _NAME) -> _Header:
    kind = find_kind(data[:HEAD_BYTES])
    if kind is None:
        raise InvalidReference(f"{name} is {describe_other(data)}", field=name)
    with _decoding(kind, name):
        if kind is ImageKind.BMP:
            header = _Header(kind, read_bmp_header(data).size)
        else:
            image = _open(kind, data)
            header = _Header(
                kind,
                Size(image.width, image.height),
                orientation=_get(image, "orientation", _UPRIGHT),
                page_count=_get(image, "n-pages", 1),
                is_srgb=_is_srgb(image),
            )
    _check_size(header.upright_size, name)
    return header


def _open(kind: ImageKind, data: bytes) -> Any:  # noqa: ANN401 - pyvips is not typed
    """Open an image with the loader of its kind: no other loader sees untrusted bytes."""
    if kind is ImageKind.BMP:
        return open_bmp(data)
    load = getattr(load_vips().Image, _LOADERS[kind])
    return load(data, access="sequential", fail_on="truncated")


@contextmanager
def _decoding(kind: ImageKind, name: str = _NAME) -> Iterator[None]:
    """Translate the errors of decoders."""
    try:
        yield
    except (load_vips().Error, UndecodableBmp) as error:
        raise InvalidReference(
            f"{name} starts like {kind}, but can't be decoded: {first_line(error)}",
            field=name,
            action="Save it again as a PNG or JPEG; nothing was sent.",
        ) from None


def _get(image: Any, name: str, default: int) -> int:  # noqa: ANN401 - pyvips is not typed
    return int(image.get(name)) if image.get_typeof(name) else default


def _is_srgb(image: Any) -> bool:  # noqa: ANN401 - pyvips is not typed
    """Return whether its pixels are 8-bit sRGB, or grey, with or without alpha."""
    if image.format != "uchar" or image.interpretation not in ("srgb", "b-w"):
        return False
    if image.bands > _BANDS_MAX:
        return False
    has_profile = image.get_typeof("icc-profile-data") != 0
    return not has_profile or is_srgb_profile(image.get("icc-profile-data"))


def _check_size(size: Size, name: str) -> None:
    if size.pixels > PIXELS_MAX:
        raise InvalidReference(
            f"{name} is {size}: {size.pixels} pixels, the limit is {PIXELS_MAX}",
            field=name,
            action=f"Scale it down to at most {SIDE_MAX} pixels per side; nothing was sent.",
        )
    if min(size) < SIDE_MIN:
        raise InvalidReference(
            f"{name} is {size}, but each side needs at least {SIDE_MIN} pixels",
            field=name,
            action="Give a larger image; 384 pixels per side or more are advised.",
        )
    if max(size) > SIDES_RATIO_MAX * min(size):
        raise InvalidReference(
            f"{name} is {size}, but its sides may differ by a factor of at most {SIDES_RATIO_MAX}",
            field=name,
            action=f"Crop it to {SIDES_RATIO_MAX}:1 or less; nothing was sent.",
        )


def _is_ready(header: _Header, byte_count: int) -> bool:
    return (
        header.kind in _SENT_KINDS
        and header.is_srgb
        and header.orientation == _UPRIGHT
        and header.page_count == 1
        and max(header.size) <= SIDE_MAX
        and byte_count <= SENT_BYTES_MAX
    )


def _convert(header: _Header, data: bytes, side: int) -> Any:  # noqa: ANN401 - pyvips is not typed
    """Decode as upright 8-bit sRGB, scaled down to at most `side` pixels per side."""
    image = _open(header.kind, data)
    has_profile = image.get_typeof("icc-profile-data") != 0
    image = image.thumbnail_image(
        side,
        height=side,
        size="down",
        no_rotate=True,
        **({"output_profile": "srgb"} if has_profile else {}),
    ).colourspace("srgb")
    if image.bands > _BANDS_MAX:
        image = image[:_BANDS_MAX]
    return image.copy_memory().autorot()  # which reads it in another order


def _encode(image: Any, kind: ImageKind) -> tuple[str, bytes]:  # noqa: ANN401 - as above
    """Encode without loss, unless the image was lossy before or would be too big."""
    if kind is not ImageKind.JPEG:
        png: bytes = image.pngsave_buffer(compression=_COMPRESSION, keep="none")
        if len(png) <= SENT_BYTES_MAX:
            return ImageKind.PNG, png
    if image.hasalpha():
        return ImageKind.WEBP, image.webpsave_buffer(Q=_QUALITY, effort=_WEBP_EFFORT, keep="none")
    return ImageKind.JPEG, image.jpegsave_buffer(Q=_QUALITY, subsample_mode="off", keep="none")


def _describe_changes(header: _Header, data: bytes, size: Size, sent: bytes) -> tuple[str, ...]:
    changes = []
    if size != header.upright_size:
        changes.append(f"was scaled down from {header.upright_size} to {size} to be sent")
    elif len(data) > SENT_BYTES_MAX > len(sent):
        changes.append(
            f"was compressed from {_megabytes(data)} MB to {_megabytes(sent)} MB to be sent"
        )
    if header.page_count > 1:
        changes.append(f"has {header.page_count} frames or pages, of which the first was sent")
    return tuple(changes)


def _megabytes(data: bytes) -> str:
    return f"{len(data) / 1_000_000:.1f}"
