"""Image files named by shot id."""

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stills.batch.image_files import ImageNames, link_or_copy, local_file
from stills.contract.errors import OutputRefused


@pytest.mark.parametrize("shot_id", ["s01", "SC02_sh010", "a.b-c", "雨の街", "किताब"])
def test_plain_ids_are_their_own_names(shot_id):
    """Letters and digits of every script stay as they are."""
    assert ImageNames([shot_id]).path(shot_id) == f"images/{shot_id}.png"


@pytest.mark.parametrize(
    ("shot_id", "name"),
    [
        ("../x", "x"),
        ("a/b", "a-b"),
        ("..", "shot"),
        ("", "shot"),
        ("CON", "CON_"),
        ("nul.txt", "nul_.txt"),
        ("console", "console"),
        ("a\0b\n", "a-b"),
        ("s\ud800", "s"),
        ("<b>&'\"", "b"),
    ],
)
def test_hostile_ids_are_made_safe(shot_id, name):
    """No id leaves the folder, hides, or names a device."""
    assert ImageNames([shot_id]).path(shot_id) == f"images/{name}.png"


@pytest.mark.parametrize(
    "ids", [("a/b", "a:b"), ("Shot", "shot"), ("caf\u00e9", "CAFE\u0301"), ("x" * 300, "x" * 301)]
)
def test_ids_that_would_share_a_file_get_a_suffix(ids):
    """The suffix does not depend on their order."""
    names, reverse = ImageNames(ids), ImageNames(reversed(ids))
    paths = [names.path(shot_id) for shot_id in ids]
    assert len({path.casefold() for path in paths}) == 2
    assert all("~" in path for path in paths)
    assert paths == [reverse.path(shot_id) for shot_id in ids]


@given(st.lists(st.text(), unique=True, max_size=30))
def test_names_are_safe_and_unique_for_any_ids(ids):
    """Each is one path segment, and short enough for any file system."""
    names = ImageNames(ids)
    paths = [names.path(shot_id) for shot_id in ids]
    assert len({path.casefold() for path in paths}) == len(ids)
    for path in paths:
        folder, name = path.split("/")
        assert folder == "images"
        assert not set(name) & set('\\:*?"<>|\0\n')
        assert not name.startswith((".", "-"))
        assert len(name.encode()) < 200


def test_an_image_is_a_hard_link_if_possible(tmp_path):
    """It uses no disk space, and outlives the store's name of it."""
    stored, target = tmp_path / "stored.png", tmp_path / "out" / "images" / "s01.png"
    stored.write_bytes(b"png")
    link_or_copy(stored, target)
    link_or_copy(stored, target)
    assert target.samefile(stored)
    assert [file.name for file in target.parent.iterdir()] == ["s01.png"]


@pytest.mark.parametrize("earlier", [False, True])
def test_a_link_is_read_only(tmp_path, earlier):
    """An edit in place would change the paid image; earlier links become read-only, too."""
    stored, target = tmp_path / "stored.png", tmp_path / "out" / "images" / "s01.png"
    stored.write_bytes(b"png")
    stored.chmod(0o644)
    if earlier:
        target.parent.mkdir(parents=True)
        target.hardlink_to(stored)
    link_or_copy(stored, target)
    assert stored.stat().st_mode & 0o777 == target.stat().st_mode & 0o777 == 0o444


@pytest.mark.parametrize("earlier", [False, True])
def test_a_link_of_a_private_image_is_private(tmp_path, earlier):
    """Under umask 077 the stored image is private, and its link stays private."""
    stored, target = tmp_path / "stored.png", tmp_path / "out" / "images" / "s01.png"
    stored.write_bytes(b"png")
    stored.chmod(0o600)
    if earlier:
        target.parent.mkdir(parents=True)
        target.hardlink_to(stored)
    link_or_copy(stored, target)
    assert target.stat().st_mode & 0o777 == 0o400


def test_an_image_is_copied_if_it_cannot_be_linked(tmp_path, monkeypatch):
    """This happens on another file system; an identical copy is not written again."""

    def refuse(*_):
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    stored, target = tmp_path / "stored.png", tmp_path / "images" / "s01.png"
    stored.write_bytes(b"png")
    link_or_copy(stored, target)
    before = target.stat()
    link_or_copy(stored, target)
    assert target.read_bytes() == b"png"
    assert target.stat().st_ino == before.st_ino != stored.stat().st_ino
    assert target.stat().st_mode & 0o200  # a copy may be edited


def test_a_new_image_replaces_an_old_link(tmp_path):
    """The old image stays unchanged in the store."""
    old, new, target = tmp_path / "old.png", tmp_path / "new.png", tmp_path / "images" / "s01.png"
    old.write_bytes(b"old")
    new.write_bytes(b"new")
    link_or_copy(old, target)
    link_or_copy(new, target)
    assert target.read_bytes() == b"new"
    assert old.read_bytes() == b"old"


@pytest.mark.parametrize("case", ["no source", "folder in the way", "file for a folder"])
def test_a_file_that_cannot_be_written_is_refused(tmp_path, case):
    """The error names the output, and no partial file is left."""
    stored, target = tmp_path / "stored.png", tmp_path / "images" / "s01.png"
    if case != "no source":
        stored.write_bytes(b"png")
    if case == "folder in the way":
        target.mkdir(parents=True)
    if case == "file for a folder":
        target.parent.write_text("")
    with pytest.raises(OutputRefused, match="s01"):
        link_or_copy(stored, target)
    assert not list(tmp_path.rglob("*.part"))


def test_only_local_images_have_a_file():
    """An image in a bucket must be downloaded."""
    assert local_file("file:///kept/a%20b.png") == Path("/kept/a b.png")
    assert local_file("s3://bucket/a.png") is None
