"""What survives a power cut: only what was synced, and names only in synced folders."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from stills.store import open_store

DATA = b"x" * 100_000


class Disk:
    """Records what fsync has written to disk."""

    def __init__(self, fsync: Callable[[int], None]) -> None:
        self._fsync = fsync
        self._bytes: dict[int, int] = {}  # by inode
        self._names: dict[int, set[str]] = {}  # by the folder's inode

    def fsync(self, descriptor: int) -> None:
        self._fsync(descriptor)
        synced = os.fstat(descriptor)
        if stat.S_ISDIR(synced.st_mode):
            self._names[synced.st_ino] = set(os.listdir(descriptor))
        else:
            self._bytes[synced.st_ino] = synced.st_size

    def survives(self, file: Path, *, below: Path) -> bool:
        """Return whether a file survives a power cut, if `below` existed before."""
        entry = file
        while entry != below:
            if entry.name not in self._names.get(entry.parent.stat().st_ino, ()):
                return False
            entry = entry.parent
        return self._bytes.get(file.stat().st_ino) == file.stat().st_size


@pytest.fixture
def disk(monkeypatch) -> Disk:
    disk = Disk(os.fsync)
    monkeypatch.setattr(os, "fsync", disk.fsync)
    return disk


@pytest.mark.parametrize("path", ["a.png", "portraits/a.png"])
@pytest.mark.parametrize("folder", ["images", "not yet/made/images"])
async def test_a_stored_image_survives_a_power_cut(disk: Disk, tmp_path: Path, folder, path):
    """Its bytes, its name and every new folder survive."""
    await open_store(str(tmp_path / folder)).put(path, DATA)
    assert disk.survives(tmp_path / folder / path, below=tmp_path)


async def test_an_image_in_an_existing_folder_survives(disk: Disk, tmp_path: Path):
    """The folder is synced for each new or replaced name."""
    store = open_store(str(tmp_path))
    for name, data in [("a.png", b"1"), ("b.png", DATA), ("b.png", b"another")]:
        await store.put(name, data, preceded_by=(f"{name}.json", b"{}"))
        assert disk.survives(tmp_path / name, below=tmp_path)
