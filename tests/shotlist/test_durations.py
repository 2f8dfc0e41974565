"""Durations as shot lists have them."""

import openpyxl
import pytest

from stills.contract.errors import InvalidRequest
from stills.shotlist.durations import check_frame_rate, read_duration
from stills.shotlist.reader import read_shots
from stills.shotlist.shots import Defaults


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        (4, 4.0),
        ("3.5", 3.5),
        ("3,5", 3.5),
        ("4s", 4.0),
        (" 4,25 sec", 4.25),
        ("2 Seconds", 2.0),
        ("00:04", 4.0),
        ("1:30", 90.0),
        ("0:04.5", 4.5),
        ("00:00:04", 4.0),
        ("1:00:00", 3600.0),
        ("00:00:04:12", 4.5),
        ("00:00:04;12", 4.5),
        ("1e1", 10.0),
        (None, None),
    ],
)
def test_a_duration_is_read(given, seconds):
    """Frames are those of a rate of 24."""
    assert read_duration(given, 24) == seconds


def test_frames_depend_on_the_rate():
    """A second of 25 frames has no 26th."""
    assert read_duration("00:00:04:10", 25) == 4.4
    with pytest.raises(InvalidRequest, match="duration"):
        read_duration("00:00:04:25", 25)


@pytest.mark.parametrize(
    "given",
    [
        *["", "four", "0", "-1", "0:00", "24:00:00", "00:00:04:24", "1:2:3:4:5", "4:", ":4"],
        *["1,2,3", "nan", "inf", "1" * 5000, 10**400, True, [4]],
    ],
)
def test_what_is_not_a_duration_is_refused(given):
    """The action shows the forms."""
    with pytest.raises(InvalidRequest, match="not a valid number of seconds") as caught:
        read_duration(given, 24)
    assert "00:00:04:12" in caught.value.action


@pytest.mark.parametrize("rate", [0, -24, 1000, float("nan")])
def test_a_frame_rate_is_checked(rate):
    """It divides the frames."""
    with pytest.raises(InvalidRequest, match="frame rate"):
        check_frame_rate(rate)


def test_a_time_in_a_workbook_is_read_as_it_is_shown(tmp_path):
    """Excel makes four minutes of 0:04, and shows 0:04."""
    book = openpyxl.Workbook()
    for row in [["prompt", "duration"], ["x", None], ["y", None], ["z", 3.5]]:
        book.active.append(row)
    for cell, days, shown in (("B2", 4 / 1440, "h:mm"), ("B3", 4 / 86400, "h:mm:ss")):
        book.active[cell] = days
        book.active[cell].number_format = shown
    book.save(tmp_path / "a.xlsx")
    shots = list(read_shots(tmp_path / "a.xlsx", Defaults(size="64*64")))
    assert [one.duration_seconds for one in shots] == [4.0, 4.0, 3.5]
