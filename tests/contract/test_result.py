"""The result of a request."""

import pytest
from tests.support.image_results import image_result

from stills.service.records import result_record

RESULT = image_result(provider_url="https://example.com/a.png?Signature=secret")


def test_the_providers_link_is_in_no_record_and_no_repr():
    """Anyone who has it can open the image, and records are stored and sent to clients."""
    assert "secret" not in repr(RESULT)
    for record in (RESULT.lasting_fields(), result_record(RESULT, RESULT.image_url)):
        assert "provider_url" not in record
        assert record["seed"] == 7
    assert list(RESULT.contract_fields()) == ["image_url", "width", "height", "seed"]


def test_an_image_in_a_folder_has_a_path_and_opens(tmp_path):
    """The path is the file's; it opens for reading bytes, and Jupyter shows it."""
    file = tmp_path / "ein Bild ü.png"
    file.write_bytes(b"picture")
    result = image_result(image_url=file.as_uri())
    assert result.path == file
    with result.open() as opened:
        assert opened.read() == b"picture"
    assert result._repr_png_() == b"picture"


def test_an_image_in_a_bucket_has_no_path():
    """`open` says how to read it, and Jupyter shows the text."""
    result = image_result(image_url="s3://bucket/a.png")
    assert result.path is None
    assert result._repr_png_() is None
    with pytest.raises(FileNotFoundError, match=r"stills\.images\.read"):
        result.open()
