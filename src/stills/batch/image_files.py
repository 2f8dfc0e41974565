"""The images of a batch as files under their shots' ids."""

import filecmp
import os
import re
import shutil
import unicodedata
from collections.abc import Iterable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from stills.contract.atomic_file import replace_atomically
from stills.contract.file_url import file_path

IMAGES_FOLDER = "images"

_NAME_MAX_BYTES = 120
_DIGEST_CHARACTERS = 12
_NAMELESS = "shot"
_READ_BITS = 0o444
# Windows takes these as devices, whatever follows the first dot.
_DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?=\.|$)", re.IGNORECASE)


class ImageNames:
    """Names for the images of one batch: its ids, made safe.

    Ids that would share a name, or differ in letter case alone, get a suffix, all of them. So a
    name does not hang on the order in which shots finish, and a second run gives the same ones.
    """

    def __init__(self, ids: Iterable[str]) -> None:
        seen: set[int] = set()
        shared: set[int] = set()
        for shot_id in ids:
            key = _same_file_key(_clean(shot_id))
            (shared if key in seen else seen).add(key)
        self._shared = frozenset(shared)

    def path(self, shot_id: str) -> str:
        """Name the image of a shot: a path from the batch's folder, such as `images/s01.png`."""
        name = _clean(shot_id)
        if _same_file_key(name) in self._shared:
            digest = sha256(shot_id.encode("utf-8", "surrogatepass")).hexdigest()
            name = f"{name}~{digest[:_DIGEST_CHARACTERS]}"  # no clean name has a tilde
        return f"{IMAGES_FOLDER}/{name}.png"


def kept_file(image_url: str) -> Path | None:
    """Find the file behind a `file://` URL; None for an image that lies elsewhere."""
    return file_path(image_url) if image_url.startswith("file:") else None


def file_in(folder: Path, name: str) -> Path:
    """Return the file of a batch's folder that its manifest knows as `name`.

    Its name on disk is UTF-8 in every locale, as it is in the manifest and the contact sheet.
    """
    return folder / os.fsdecode(name.encode("utf-8", "surrogatepass"))


def place_image(kept: Path, target: Path) -> None:
    """Have the kept image at `target` as well: a hard link where that works, else a copy.

    A link is the kept image itself, so it is made read-only: a tool that edits in place must not
    change what was paid for. What is there already and the same is left in its place. Not for the
    event loop.

    Raises:
        OutputRefused: it can't be placed there, or the kept file can't be read.
    """
    if _is_there(kept, target):
        return
    with replace_atomically(target) as part:
        try:
            os.link(kept, part)
        except OSError:  # another file system, or one without hard links
            shutil.copyfile(kept, part)
        else:
            _protect(part)


def _is_there(kept: Path, target: Path) -> bool:
    with suppress(OSError):
        if target.samefile(kept):
            _protect(target)
            return True
        return filecmp.cmp(kept, target, shallow=False)
    return False


def _protect(file: Path) -> None:
    with suppress(OSError):  # it is somebody else's
        # Whoever the umask kept from reading the image in the store may not read it here either.
        file.chmod(file.stat().st_mode & _READ_BITS)


def _clean(shot_id: str) -> str:
    """Keep letters and digits of every script, and `_`, `-` and `.`; at most 120 bytes of UTF-8."""
    composed = unicodedata.normalize("NFC", shot_id)
    name = "".join(character if _is_plain(character) else "-" for character in composed)
    name = name.encode()[:_NAME_MAX_BYTES].decode(errors="ignore").strip("-.") or _NAMELESS
    return _DEVICE.sub(r"\1_", name, count=1) if _DEVICE.match(name) else name


def _is_plain(character: str) -> bool:
    category = unicodedata.category(character)
    return character in "_-." or category[0] in "LM" or category == "Nd"


def _same_file_key(name: str) -> int:
    """Hash what file systems that overlook letter case and composition take as the same name."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return int.from_bytes(sha256(folded.encode()).digest()[:8])
