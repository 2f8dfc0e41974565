"""The batch folders that the catalog knows, and which of their images a deletion takes."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stills.cli.text import images
from stills.contract.errors import InvalidRequest
from stills.contract.file_url import file_path
from stills.contract.upkeep import BatchFolder
from stills.review.picked_images import FolderImages, read_folder_images


@dataclass(frozen=True, slots=True)
class KnownFolders:
    """The images of the folders that could be read, and the folders that are not there."""

    read: Mapping[Path, FolderImages]
    gone: Sequence[BatchFolder]


def read_known_folders(known: Sequence[BatchFolder], *, strict: bool) -> KnownFolders:
    """Read the folders that the catalog knows. Blocks.

    Raises:
        InvalidRequest: `strict`, and a folder that is there can't be read.
    """
    read: dict[Path, FolderImages] = {}
    gone: list[BatchFolder] = []
    for folder in known:
        path = file_path(folder.url)
        try:
            found = read_folder_images(path)
        except InvalidRequest:
            if strict:
                raise
            continue
        if found is None:
            gone.append(folder)
        else:
            read[path] = found
    return KnownFolders(read, gone)


def describe_use(folders: Mapping[Path, FolderImages], doomed: Collection[str]) -> Iterable[str]:
    """Say for each folder how many of its images are deleted, by generation."""
    ids = frozenset(doomed)
    for folder, found in folders.items():
        used, picked = (found.all | found.picked) & ids, found.picked & ids
        if used:
            of_them = f", {len(picked)} picked" if picked else ""
            yield (
                f"{images(len(used))} of {folder}{of_them}: its own copies stay, and its next run "
                "is billed for new ones"
            )
