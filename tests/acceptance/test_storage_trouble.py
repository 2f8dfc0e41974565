"""A full or read-only disk: the paid image is safe, and finishing is free."""

from pathlib import Path

import pytest

KITE = ["generate", "a red kite", "--size", "1328*1328", "--seed", "1", "--sandbox"]


@pytest.mark.parametrize("trouble", ["full", "read-only"])
def test_an_image_is_spooled_if_the_disk_is_full_or_read_only(
    run, make_disk, as_root, tmp_path: Path, trouble: str
):
    """The error says where the image is and what to do; a retry then finishes for free."""
    disk = make_disk(64)  # less than one image
    if trouble == "read-only":
        as_root("mount", "-o", "remount,ro", str(disk))
    check_that_the_image_is_spooled(run, disk / "images", tmp_path)


def test_an_image_is_spooled_if_the_store_is_not_a_folder(run, tmp_path: Path):
    """A file is where the folder should be."""
    (tmp_path / "images").write_text("a file in the way")
    check_that_the_image_is_spooled(run, tmp_path / "images", tmp_path)


def check_that_the_image_is_spooled(run, store: Path, tmp_path: Path) -> None:
    refused = run(*KITE, variables={"STILLS_STORE": str(store)})
    assert refused.returncode == 7
    assert refused.stderr.count("\n") == 1
    assert "safe at file://" in refused.stderr
    assert "[billed]" in refused.stderr

    retried = run(*KITE, variables={"STILLS_STORE": str(tmp_path / "elsewhere")})
    assert retried.returncode == 0, retried.stderr
    assert "nothing billed" in retried.stderr
    assert len(list((tmp_path / "elsewhere").glob("*.png"))) == 1


def test_nothing_is_sent_if_the_catalog_can_t_be_created(run, tmp_path: Path):
    """Without a ledger, nothing is paid for."""
    (tmp_path / "a-file").write_text("")
    refused = run(*KITE, variables={"STILLS_CATALOG": str(tmp_path / "a-file" / "stills.db")})
    assert refused.returncode == 7
    assert "STILLS_CATALOG" in refused.stderr
    assert not (tmp_path / "output").exists()
