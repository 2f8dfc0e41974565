"""Pictures of the user: checked as every image from outside, and kept in the folder as PNGs."""

import asyncio
import hashlib
from pathlib import Path, PurePosixPath

from stills.app import Stills
from stills.batch.image_files import ImageNames, file_in
from stills.contract.atomic_file import replace_atomically
from stills.contract.errors import InvalidRequest
from stills.review.records import OwnPicture

OWN_FOLDER = "own"
PICTURE_MAX_BYTES = 100 * 1024 * 1024

_DIGEST_CHARACTERS = 12
_NAME_MAX_CHARACTERS = 200


def read_picture(path: Path) -> bytes:
    """Read the user's file. Blocks.

    Raises:
        InvalidRequest: it can't be read, or is too big.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(PICTURE_MAX_BYTES + 1)
    except OSError as error:
        raise InvalidRequest(
            f"{path} can't be read: {error.strerror or error}",
            field="file",
            action="Give the path of a PNG, JPEG, WebP, GIF, BMP or TIFF file.",
        ) from None
    if len(data) > PICTURE_MAX_BYTES:
        raise InvalidRequest(
            f"{path} has more than {PICTURE_MAX_BYTES} bytes",
            field="file",
            action="Save it as a smaller file.",
        )
    return data


async def keep_own_picture(
    stills: Stills, folder: Path, shot_id: str, data: bytes, name: str
) -> OwnPicture:
    """Check a picture, and write it to the folder; pictures that were there before stay.

    Raises:
        InvalidReference: the format is not supported, or it is damaged.
        OutputRefused: it can't be written.
    """
    shown = name[:_NAME_MAX_CHARACTERS] or "picture"
    png = await stills.images.convert_to_png(data, shown)
    digest = hashlib.sha256(png.data).hexdigest()
    stem = PurePosixPath(ImageNames([shot_id]).path(shot_id)).stem
    file = f"{OWN_FOLDER}/{stem}-{digest[:_DIGEST_CHARACTERS]}.png"
    await asyncio.to_thread(_write, file_in(folder, file), png.data)
    return OwnPicture(file, digest, png.size.width, png.size.height, shown)


def _write(path: Path, data: bytes) -> None:
    with replace_atomically(path) as part:
        part.write_bytes(data)
