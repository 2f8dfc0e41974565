"""The stored file of a result."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

import pyvips

from stills.contract.result import ImageResult


def file_of(result: ImageResult) -> Path:
    return Path(unquote(urlsplit(result.image_url).path))


def dimensions(path: Path) -> tuple[int, int]:
    image = pyvips.Image.new_from_file(str(path))
    return image.width, image.height
