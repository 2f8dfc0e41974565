"""Files that are not shot lists are refused by name, with what to do."""

import pytest

from stills.contract.errors import InvalidRequest
from stills.shotlist.reader import read_shots


@pytest.mark.parametrize(
    ("name", "content", "message", "action"),
    [
        ("film.fountain", b"INT. HOUSE - DAY", "film.fountain is a screenplay", "one row per shot"),
        ("film.fdx", b"<?xml?>", "film.fdx is a screenplay", "one row per shot"),
        ("film", b'<?xml version="1.0"?>\n<FinalDraft>', "film is a screenplay", "one row"),
        ("list.pdf", b"%PDF-1.7\n", "list.pdf is a PDF", "as .xlsx or CSV"),
        ("list.csv", b"%PDF-1.7\n", "list.csv is a PDF", "as .xlsx or CSV"),
        ("list.xls", b"\xd0\xcf\x11\xe0\xa1\xb1", "an Excel workbook in the old", "as .xlsx"),
        ("list.xlsx", b"\xd0\xcf\x11\xe0\xa1\xb1", "one with a password", "without a password"),
        ("list.numbers", b"PK\x03\x04", "list.numbers is a Numbers document", "Export it as CSV"),
        ("list.ods", b"PK\x03\x04", "list.ods is an OpenDocument spreadsheet", "as .xlsx or CSV"),
        ("frame.png", b"\x89PNG\r\n", "frame.png is an image", "reference_image"),
    ],
)
def test_a_file_of_another_kind_is_refused(tmp_path, name, content, message, action):
    """It is found by its first bytes, or by its suffix."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidRequest) as caught:
        read_shots(tmp_path / name)
    assert message in caught.value.message
    assert caught.value.message.endswith("not a shot list")
    assert action in caught.value.action


def test_a_folder_is_refused(tmp_path):
    """The action names a file in it as an example."""
    with pytest.raises(InvalidRequest, match=r" is a folder\n") as caught:
        read_shots(tmp_path)
    assert "shots.csv" in caught.value.action
