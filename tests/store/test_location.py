"""Store locations: folders, file URLs and buckets."""

import pytest

from stills.store import open_store


@pytest.mark.parametrize("location", ["", "a\0b", "file://host/share", "file:relative"])
def test_what_is_no_location_is_refused_at_once(location):
    """A location that can't be meant is a programming error at opening."""
    with pytest.raises(ValueError, match="not a"):
        open_store(location)


@pytest.mark.parametrize("location", ["memory:///", "http://127.0.0.1:9/x", "nope://host/prefix"])
def test_what_keeps_no_images_is_refused_at_once(location):
    """Memory, a web server and what nobody knows: before anything is paid for."""
    with pytest.raises(ValueError, match=r"can't be stored at (memory|http|nope)://.*\bs3\b"):
        open_store(location)


@pytest.mark.parametrize("location", ["s3://b/p", "S3://b", "gs://b/p", "az://b", "abfs://b/p"])
def test_a_bucket_of_every_kind_is_opened(location):
    """None is asked yet."""
    assert open_store(location).url("a.png").startswith(location)


@pytest.mark.parametrize("location", ["s3://key:secret@bucket/a", "s3://bucket/a?token=secret"])
def test_a_location_with_a_secret_is_refused_without_quoting_it(location):
    """Secrets in a location would end up in every URL and log, so they never get in."""
    with pytest.raises(ValueError, match="can't contain keys") as caught:
        open_store(location)
    assert "secret" not in str(caught.value)


def test_a_file_url_may_name_a_folder_in_any_bytes():
    """A folder that an older system named in Latin-1 is the one that is meant."""
    assert open_store("file:///photos/caf%E9").url("a.png") == "file:///photos/caf%E9/a.png"
