"""The image files of a batch, named by shot id."""

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
from stills.contract.file_names import is_word_character
from stills.contract.file_url import file_path

IMAGES_FOLDER = "images"
CONTACT_SHEET_NAME = "index.html"
REVIEW_NAME = "review.json"

_NAME_MAX_BYTES = 120
_DIGEST_CHARACTERS = 12
_NAMELESS = "shot"
_READ_BITS = 0o444
# Windows treats these as devices, whatever follows the first dot.
_DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?=\.|$)", re.IGNORECASE)


class ImageNames:
    """File names for the images of one batch: its shot ids, made safe.

    All ids that would share a name, or differ only in letter case, get a suffix. So names do not
    depend on the order in which shots finish, and a second run uses the same ones.
    """

    def __init__(self, ids: Iterable[str]) -> None:
        seen: set[int] = set()
        shared: set[int] = set()
        for shot_id in ids:
            key = _same_file_key(_clean(shot_id))
            (shared if key in seen else seen).add(key)
        self._shared = frozenset(shared)

    def path(self, shot_id: str) -> str:
        """Return the path of a shot's image in the output folder, such as `images/s01.png`."""
        name = _clean(shot_id)
        if _same_file_key(name) in self._shared:
            digest = sha256(shot_id.encode("utf-8", "surrogatepass")).hexdigest()
            name = f"{name}~{digest[:_DIGEST_CHARACTERS]}"  # no clean name has a tilde
        return f"{IMAGES_FOLDER}/{name}.png"


def local_file(image_url: str) -> Path | None:
    """Return the file of a `file://` URL; None for an image that is stored elsewhere."""
    return file_path(image_url) if image_url.startswith("file:") else None


def file_in(folder: Path, name: str) -> Path:
    """Return the file in an output folder that its manifest calls `name`.

    Its name on disk is UTF-8 in every locale, as in the manifest and the contact sheet.
    """
    return folder / os.fsdecode(name.encode("utf-8", "surrogatepass"))


def link_or_copy(stored: Path, target: Path) -> None:
    """Make a stored image available at `target`: a hard link if possible, or else a copy.

    A link is the stored image itself, so it is made read-only: a tool that edits in place must not
    change a paid image. An identical file at `target` stays. Blocks.

    Raises:
        OutputRefused: the target can't be written, or the stored file can't be read.
    """
    if is_same(stored, target):
        return
    with replace_atomically(target) as part:
        try:
            os.link(stored, part)
        except OSError:  # another file system, or one without hard links
            shutil.copyfile(stored, part)
        else:
            _make_read_only(part)


def is_same(stored: Path, target: Path) -> bool:
    """Return whether two files are the same or equal; a link to the stored one is made read-only.

    Blocks.
    """
    with suppress(OSError):
        if target.samefile(stored):
            _make_read_only(target)
            return True
        return filecmp.cmp(stored, target, shallow=False)
    return False


def _make_read_only(file: Path) -> None:
    with suppress(OSError):  # it belongs to another user
        # Only remove permissions: who can't read the image in the store can't read it here.
        file.chmod(file.stat().st_mode & _READ_BITS)


def _clean(shot_id: str) -> str:
    """Keep the letters and digits of every script, `_`, `-` and `.`; at most 120 bytes of UTF-8."""
    composed = unicodedata.normalize("NFC", shot_id)
    name = "".join(character if _is_plain(character) else "-" for character in composed)
    name = name.encode()[:_NAME_MAX_BYTES].decode(errors="ignore").strip("-.") or _NAMELESS
    return _DEVICE.sub(r"\1_", name, count=1) if _DEVICE.match(name) else name


def _is_plain(character: str) -> bool:
    return character in "_-." or is_word_character(character)


def _same_file_key(name: str) -> int:
    """Return equal hashes for names that a file system may treat as the same file."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return int.from_bytes(sha256(folded.encode()).digest()[:8])
