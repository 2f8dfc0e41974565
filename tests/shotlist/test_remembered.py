"""A list that was read once and is read again."""

import errno

import pytest

from stills.shotlist import remembered
from stills.shotlist.kept_ids import KeptId
from stills.shotlist.reader import read_shots
from stills.shotlist.remembered import Remembered

ROWS = 1_000


@pytest.fixture
def written(tmp_path):
    """A list that is too long for memory, with a cast, a problem and needs."""
    path = tmp_path / "shots.jsonl"
    lines = [f'{{"id": "s{n}", "prompt": "kite {n}", "size": "64*64"}}' for n in range(ROWS)]
    lines += ['{"id": "s0", "prompt": "twice", "size": "64*64"}', '{"prompt": ""}']
    lines += ['{"id": "last", "prompt": "x", "size": "64*64", "reference_shot": "s7"}']
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_every_reading_gives_the_same(written):
    """Shots, problems and needs, in order, also if two readings alternate."""
    shots = read_shots(written)
    first = list(shots)
    assert len(first) == ROWS + 3
    assert list(shots) == first
    one, other = iter(shots), iter(shots)
    assert [(next(one), next(other)) for _ in first] == [(item, item) for item in first]


def test_what_was_checked_is_what_is_used(written):
    """Someone may save the list while it is being checked or sent."""
    shots = read_shots(written)
    first = list(shots)
    written.write_text('{"prompt": "another", "size": "64*64"}\n', encoding="utf-8")
    assert list(shots) == first


def test_a_reading_that_ends_early_is_not_taken_for_the_whole_list(written):
    """The next one reads the list from its start to its end."""
    shots = read_shots(written)
    reading = iter(shots)
    next(reading)
    del reading
    assert sum(1 for _ in shots) == ROWS + 3


def test_ids_that_are_kept_later_count(written):
    """Rows that moved keep the ids and seeds of their images."""
    shots = read_shots(written)
    list(shots)
    shots.keep_ids({"s1": KeptId("s-one", 5)})
    assert next(one for one in shots if one.id == "s-one").request.seed == 5


def test_a_list_is_read_again_if_there_is_no_room_to_remember_it(written, monkeypatch):
    """A full disk for temporary files must not stop a batch."""

    class FullDisk(remembered.SpooledTemporaryFile):
        def rollover(self):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(remembered, "SpooledTemporaryFile", FullDisk)
    shots = read_shots(written)
    assert list(shots) == list(shots)


def test_nothing_stays_open():
    """The temporary file goes with the list."""
    one = Remembered()
    file = one._file  # noqa: SLF001 - what is closed
    del one
    assert file.closed
