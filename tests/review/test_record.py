"""The review in the manifest."""

import pytest
from tests.support.boards import decide, find, two_takes_each

from stills.batch.manifest import ManifestWriter, read_manifest
from stills.batch.manifest_entry import ReviewMark
from stills.contract.errors import InvalidRequest, OutputRefused
from stills.review import marking
from stills.review.record import record, record_unless_running


def test_a_run_that_is_writing_is_not_disturbed(tmp_path):
    """Its manifest will have the review anyway."""
    two_takes_each(tmp_path, "1A")
    decide(tmp_path, "1A", marking.pick, find(tmp_path, "1A", "2")[1])
    before = (tmp_path / "manifest.jsonl").read_bytes()
    running = ManifestWriter(tmp_path)
    with pytest.raises(OutputRefused, match="another batch is writing"):
        record(tmp_path)
    record_unless_running(tmp_path)
    assert (tmp_path / "manifest.jsonl").read_bytes() == before
    running.abandon()
    record(tmp_path)
    assert [one.mark for one in read_manifest(tmp_path / "manifest.jsonl")] == [
        None,
        ReviewMark.PICKED,
    ]


def test_a_damaged_manifest_stays_as_it_is(tmp_path):
    """It is never replaced by a shorter one."""
    two_takes_each(tmp_path, "1A")
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_bytes(manifest.read_bytes() + b"{\n")
    before = manifest.read_bytes()
    with pytest.raises(InvalidRequest):
        record(tmp_path)
    assert manifest.read_bytes() == before


def test_a_review_that_changes_nothing_writes_nothing(tmp_path):
    """The manifest's time is that of the last run or decision."""
    two_takes_each(tmp_path, "1A")
    before = (tmp_path / "manifest.jsonl").stat().st_ino
    record(tmp_path)
    assert (tmp_path / "manifest.jsonl").stat().st_ino == before
