"""Finding the project: the folder whose catalog every folder below it uses.

Without this, the same command in two folders of one project would be billed twice.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

FILE_NAME = "stills.toml"
KEY_FILE_NAME = ".env"
OUTPUT_NAME = "output"
STILLS_NAME = "ai-image-qwen-image"
CATALOG_NAME = "stills.db"

_CATALOG = Path(OUTPUT_NAME, STILLS_NAME, CATALOG_NAME)
_HAS_OWNERS = os.name != "nt"  # Windows reports neither owners nor who may write


@dataclass(frozen=True, slots=True)
class Project:
    """The project of the current folder.

    `folder` is its own folder, None for the current one. `file` is its `stills.toml`, if there is
    one. `key_files` are the `.env` that may have its API key; the first that has one counts.
    `unused` are catalogs and files that could be meant, but are not used.
    """

    folder: Path | None = None
    file: Path | None = None
    unused: tuple["Unused", ...] = ()
    key_files: tuple[Path, ...] = ()

    @property
    def output(self) -> Path:
        """The default output folder, relative if it is in the current folder."""
        return Path(OUTPUT_NAME) if self.folder is None else self.folder / OUTPUT_NAME


@dataclass(frozen=True, slots=True)
class Unused:
    """A file that is not used, and why not."""

    path: Path
    reason: str


def find_project(start: Path | None, home: Path | None) -> Project:
    """Find the project of a folder: the nearest `stills.toml`, or else the nearest catalog.

    The search goes up from `start`, an absolute path without symbolic links, or None if there is no
    current folder. It ends at the root of a Git repository, at the home folder, before a folder
    that everybody may write to, such as /tmp, and at the end of a file system. Above `start`, only
    files of this user or of root count.
    """
    if start is None:
        return Project()
    folders = list(_folders(start, None if home is None else _resolve(home)))
    unused: list[Unused] = []
    folder, file = _find_folder(start, folders, unused)
    key_files = _find_key_files(start, folder, folders[-1], unused)
    return Project(None if folder == start else folder, file, tuple(unused), key_files)


def _find_folder(
    start: Path, folders: Sequence[Path], unused: list[Unused]
) -> tuple[Path, Path | None]:
    """Return the project's folder and its file, if it has one."""
    catalogs: list[Path] = []
    for folder in folders:
        file, catalog = folder / FILE_NAME, folder / _CATALOG
        if _is_file(file) and _is_trusted(file, start, unused):
            unused += [Unused(other, f"{file} decides") for other in catalogs]
            return folder, file
        if not _is_file(file) and _is_there(file):
            unused.append(Unused(file, "it is not a regular file"))
        if _is_file(catalog) and (folder == start or _is_trusted(catalog, start, unused)):
            catalogs.append(catalog)
    return (catalogs[0].parents[len(_CATALOG.parts) - 1] if catalogs else start), None


def _find_key_files(
    start: Path, project: Path, top: Path, unused: list[Unused]
) -> tuple[Path, ...]:
    """Return `.env` of the current folder, the project and the Git repository that it is in.

    One that belongs to another user could have the prompts sent to that user's service.
    """
    folders = [start, project]
    if _stat(top / ".git") is not None:
        folders.append(top)
    files = dict.fromkeys(folder / KEY_FILE_NAME for folder in folders)
    return tuple(
        file for file in files if _stat(file) is not None and _is_trusted(file, start, unused)
    )


def _folders(start: Path, home: Path | None) -> Iterator[Path]:
    """Yield the folders to search, the nearest one first."""
    yield start
    first = _stat(start)
    below = start
    for folder in start.parents:
        if below == home or _stat(below / ".git") is not None:
            return
        # A home folder or the root of a disk holds many projects, so it counts only for itself.
        if folder in (home, folder.parent):
            return
        found = _stat(folder)
        if found is None or first is None or found.st_dev != first.st_dev:
            return
        if _HAS_OWNERS and found.st_mode & stat.S_IWOTH:
            return
        yield folder
        below = folder


def _is_trusted(file: Path, start: Path, unused: list[Unused]) -> bool:
    """Return whether a file may speak for this user; note it in `unused` if not.

    In the current folder, the files of its owner may: a container's root works in the folder of
    another user.
    """
    if not _HAS_OWNERS:
        return True
    owners = {os.getuid(), 0}
    found, folder = _stat(file), _stat(start)
    if file.parent == start and folder is not None and not folder.st_mode & stat.S_IWOTH:
        owners.add(folder.st_uid)
    if found is not None and found.st_uid in owners:
        return True
    unused.append(Unused(file, "it belongs to another user"))
    return False


def _is_file(path: Path) -> bool:
    found = _stat(path)
    return found is not None and stat.S_ISREG(found.st_mode)


def _is_there(path: Path) -> bool:
    try:
        path.lstat()
    except OSError:
        return False
    return True


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:  # it does not exist, or the folder can't be searched
        return None


def _resolve(home: Path) -> Path:
    try:
        return home.resolve()
    except (OSError, RuntimeError):  # a loop of symbolic links
        return home
