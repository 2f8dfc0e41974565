"""The check that a file can be written, before the work is paid for."""

import os
import shutil
from pathlib import Path

import pytest

from stills.contract.atomic_file import check_writable
from stills.contract.errors import OutputRefused


@pytest.mark.parametrize("name", ["kite.png", "new/folder/kite.png", "n" * 255])
def test_the_check_leaves_nothing_behind(tmp_path: Path, name):
    """It removes its trial file and folders."""
    check_writable(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_the_check_does_not_change_an_existing_file(tmp_path: Path):
    """The file will be replaced later, not by the check."""
    (tmp_path / "kite.png").write_bytes(b"old")
    check_writable(tmp_path / "kite.png")
    assert (tmp_path / "kite.png").read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [tmp_path / "kite.png"]


def test_the_check_makes_no_folder_that_another_process_may_be_using(tmp_path: Path, monkeypatch):
    """Two checks of one new folder at once do not remove it from each other."""
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
    """Its owner protected it."""
    monkeypatch.setattr(os, "access", lambda *_: False)  # as for everyone but root
    (tmp_path / "kite.png").write_bytes(b"theirs")
    with pytest.raises(OutputRefused, match="Permission denied"):
        check_writable(tmp_path / "kite.png")


def test_the_error_says_that_nothing_was_paid_for(tmp_path: Path):
    """It names the path that the caller gave."""
    with pytest.raises(OutputRefused, match="can't be written: it is a directory") as refused:
        check_writable(tmp_path)
    assert str(tmp_path) in refused.value.message
    assert "nothing was paid for" in refused.value.action
