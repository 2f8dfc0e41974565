"""A full or read-only disk: the paid image is safe, and finishing is free."""

from pathlib import Path

KITE = ["generate", "a red kite", "--size", "1328*1328", "--seed", "1", "--sandbox"]


def test_an_image_is_spooled_if_the_disk_is_full(run, make_disk, tmp_path: Path):
    """The error says where the image is and what to do; a retry then finishes for free."""
    disk = make_disk(64)  # less than one image
    refused = run(*KITE, variables={"STILLS_STORE": str(disk / "images")})
    assert refused.returncode == 7
    assert refused.stderr.count("\n") == 1
    assert "safe at file://" in refused.stderr
    assert "[billed]" in refused.stderr

    retried = run(*KITE, variables={"STILLS_STORE": str(tmp_path / "elsewhere")})
    assert retried.returncode == 0, retried.stderr
    assert "nothing billed" in retried.stderr
    assert len(list((tmp_path / "elsewhere").glob("*.png"))) == 1


def test_nothing_is_sent_if_the_disk_is_read_only(run, make_disk, as_root):
    """The store is written to before anything is paid for."""
    disk = make_disk(64)
    as_root("mount", "-o", "remount,ro", str(disk))
    check_that_nothing_is_sent(run, disk / "images")


def test_nothing_is_sent_if_the_store_is_not_a_folder(run, tmp_path: Path):
    """A file is where the folder should be."""
    (tmp_path / "images").write_text("a file in the way")
    check_that_nothing_is_sent(run, tmp_path / "images")


def check_that_nothing_is_sent(run, store: Path) -> None:
    refused = run(*KITE, variables={"STILLS_STORE": str(store)})
    assert refused.returncode == 7
    assert refused.stderr.count("\n") == 1
    assert "nothing was sent" in refused.stderr
    assert "billed" not in refused.stderr


def test_nothing_is_sent_if_the_catalog_can_t_be_created(run, tmp_path: Path):
    """Without a ledger, nothing is paid for."""
    (tmp_path / "a-file").write_text("")
    refused = run(*KITE, variables={"STILLS_CATALOG": str(tmp_path / "a-file" / "stills.db")})
    assert refused.returncode == 7
    assert "STILLS_CATALOG" in refused.stderr
    assert not (tmp_path / "output").exists()
