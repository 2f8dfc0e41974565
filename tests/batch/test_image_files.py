"""The images of a batch under their ids."""

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stills.batch.image_files import ImageNames, kept_file, place_image
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
def test_ids_that_would_share_a_file_are_told_apart(ids):
    """By a suffix that does not hang on who comes first."""
    names, reverse = ImageNames(ids), ImageNames(reversed(ids))
    paths = [names.path(shot_id) for shot_id in ids]
    assert len({path.casefold() for path in paths}) == 2
    assert all("~" in path for path in paths)
    assert paths == [reverse.path(shot_id) for shot_id in ids]


@given(st.lists(st.text(), unique=True, max_size=30))
def test_names_are_safe_and_unique_whatever_the_ids(ids):
    """One path segment, short enough for any file system, and each its own."""
    names = ImageNames(ids)
    paths = [names.path(shot_id) for shot_id in ids]
    assert len({path.casefold() for path in paths}) == len(ids)
    for path in paths:
        folder, name = path.split("/")
        assert folder == "images"
        assert not set(name) & set('\\:*?"<>|\0\n')
        assert not name.startswith((".", "-"))
        assert len(name.encode()) < 200


def test_an_image_is_a_hard_link_where_that_works(tmp_path):
    """It takes no room, and is there even when the store's name changes."""
    kept, target = tmp_path / "kept.png", tmp_path / "out" / "images" / "s01.png"
    kept.write_bytes(b"png")
    place_image(kept, target)
    place_image(kept, target)
    assert target.samefile(kept)
    assert [file.name for file in target.parent.iterdir()] == ["s01.png"]


@pytest.mark.parametrize("earlier", [False, True])
def test_a_link_is_read_only(tmp_path, earlier):
    """An edit in place would change what was paid for; links that were there before are mended."""
    kept, target = tmp_path / "kept.png", tmp_path / "out" / "images" / "s01.png"
    kept.write_bytes(b"png")
    kept.chmod(0o644)
    if earlier:
        target.parent.mkdir(parents=True)
        target.hardlink_to(kept)
    place_image(kept, target)
    assert kept.stat().st_mode & 0o777 == target.stat().st_mode & 0o777 == 0o444


@pytest.mark.parametrize("earlier", [False, True])
def test_a_link_is_readable_only_by_those_who_may_read_the_image_in_the_store(tmp_path, earlier):
    """Under umask 077 the store's image is private, and its link in a batch stays so."""
    kept, target = tmp_path / "kept.png", tmp_path / "out" / "images" / "s01.png"
    kept.write_bytes(b"png")
    kept.chmod(0o600)
    if earlier:
        target.parent.mkdir(parents=True)
        target.hardlink_to(kept)
    place_image(kept, target)
    assert target.stat().st_mode & 0o777 == 0o400


def test_an_image_is_copied_where_links_do_not_work(tmp_path, monkeypatch):
    """Another file system; and an identical copy is left alone."""

    def refuse(*_):
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    kept, target = tmp_path / "kept.png", tmp_path / "images" / "s01.png"
    kept.write_bytes(b"png")
    place_image(kept, target)
    before = target.stat()
    place_image(kept, target)
    assert target.read_bytes() == b"png"
    assert target.stat().st_ino == before.st_ino != kept.stat().st_ino
    assert target.stat().st_mode & 0o200  # it is nobody's original


def test_another_image_takes_the_place_of_an_old_one_and_spares_what_it_linked(tmp_path):
    """A shot drawn anew gets its new image; the old one stays as it was in the store."""
    old, new, target = tmp_path / "old.png", tmp_path / "new.png", tmp_path / "images" / "s01.png"
    old.write_bytes(b"old")
    new.write_bytes(b"new")
    place_image(old, target)
    place_image(new, target)
    assert target.read_bytes() == b"new"
    assert old.read_bytes() == b"old"


@pytest.mark.parametrize("case", ["no source", "folder in the way", "file for a folder"])
def test_what_cannot_be_placed_is_refused(tmp_path, case):
    """The error is of the output, and no part file is left."""
    kept, target = tmp_path / "kept.png", tmp_path / "images" / "s01.png"
    if case != "no source":
        kept.write_bytes(b"png")
    if case == "folder in the way":
        target.mkdir(parents=True)
    if case == "file for a folder":
        target.parent.write_text("")
    with pytest.raises(OutputRefused, match="s01"):
        place_image(kept, target)
    assert not list(tmp_path.rglob("*.part"))


def test_only_local_images_have_a_file():
    """What lies in a bucket is to be fetched by the caller."""
    assert kept_file("file:///kept/a%20b.png") == Path("/kept/a b.png")
    assert kept_file("s3://bucket/a.png") is None
