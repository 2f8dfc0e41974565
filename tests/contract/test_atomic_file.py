"""Whether a file can be written, known before the work that it is for."""

import os
import shutil
from pathlib import Path

import pytest

from stills.contract.atomic_file import check_writable
from stills.contract.errors import OutputRefused


@pytest.mark.parametrize("name", ["kite.png", "new/folder/kite.png", "n" * 255])
def test_the_check_leaves_nothing_behind(tmp_path: Path, name):
    """Neither the file nor a folder for it."""
    check_writable(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_stays_as_it_is(tmp_path: Path):
    """A file that may be replaced is not touched by the check."""
    (tmp_path / "kite.png").write_bytes(b"old")
    check_writable(tmp_path / "kite.png")
    assert (tmp_path / "kite.png").read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [tmp_path / "kite.png"]


def test_the_check_makes_no_folder_that_another_process_may_be_using(tmp_path: Path, monkeypatch):
    """Two at once into one new folder: neither takes it away from the other."""
    target = tmp_path / "new" / "kite.png"
    remove = shutil.rmtree

    def remove_late(folder: Path, **options: bool) -> None:
        assert not target.parent.exists()
        target.parent.mkdir()  # as the other process does
        remove(folder, **options)

    monkeypatch.setattr(shutil, "rmtree", remove_late)
    check_writable(target)
    assert list(tmp_path.iterdir()) == [target.parent]


def test_a_read_only_file_is_not_replaced(tmp_path: Path, monkeypatch):
    """Its owner made it so."""
    monkeypatch.setattr(os, "access", lambda *_: False)  # as for everyone but root
    (tmp_path / "kite.png").write_bytes(b"theirs")
    with pytest.raises(OutputRefused, match="Permission denied"):
        check_writable(tmp_path / "kite.png")


def test_the_error_says_that_nothing_was_paid_for(tmp_path: Path):
    """It names the path as it was given."""
    with pytest.raises(OutputRefused, match="can't be written: it is a directory") as refused:
        check_writable(tmp_path)
    assert str(tmp_path) in refused.value.message
    assert "nothing was paid for" in refused.value.action
