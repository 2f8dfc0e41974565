"""Store locations: folders, file URLs and buckets."""

import pytest

from stills.store import open_store


@pytest.mark.parametrize("location", ["", "a\0b", "file://host/share", "file:relative"])
def test_an_invalid_location_is_rejected(location):
    """An invalid location is an error when the store is opened."""
    with pytest.raises(ValueError, match="not a"):
        open_store(location)


@pytest.mark.parametrize("location", ["memory:///", "http://127.0.0.1:9/x", "nope://host/prefix"])
def test_a_location_that_stores_nothing_is_rejected(location):
    """Memory, a web server and unknown schemes are rejected before any call."""
    with pytest.raises(ValueError, match=r"can't be stored at (memory|http|nope)://.*\bs3\b"):
        open_store(location)


@pytest.mark.parametrize("location", ["s3://b/p", "S3://b", "gs://b/p", "az://b", "abfs://b/p"])
def test_a_bucket_of_every_kind_is_opened(location):
    """No bucket is contacted yet."""
    assert open_store(location).url("a.png").startswith(location)


@pytest.mark.parametrize("location", ["s3://b/p", "s3://b/p/"])
def test_a_bucket_url_may_end_with_a_slash(location):
    """Both name the same objects."""
    assert open_store(location).url("a.png") == "s3://b/p/a.png"


@pytest.mark.parametrize("location", ["s3://key:secret@bucket/a", "s3://bucket/a?token=secret"])
def test_a_location_with_a_secret_is_refused_without_quoting_it(location):
    """Secrets in a location would appear in every URL and log."""
    with pytest.raises(ValueError, match="can't contain keys") as caught:
        open_store(location)
    assert "secret" not in str(caught.value)


def test_a_file_url_may_name_a_folder_in_any_bytes():
    """A folder name in Latin-1, from an older system, works."""
    assert open_store("file:///photos/caf%E9").url("a.png") == "file:///photos/caf%E9/a.png"
