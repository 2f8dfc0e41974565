"""Opening a store by its location: a folder path or a URL."""

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from stills.contract.file_url import file_path
from stills.contract.links import ImageLinks
from stills.store.folder import FolderStore

if TYPE_CHECKING:
    from stills.store.bucket import BucketStore

# The services of obstore that store objects: memory ends with the process, and a web server can't
# be written to.
_SCHEMES = ("s3", "s3a", "gs", "az", "adl", "azure", "abfs", "abfss")


def open_store(location: str, links: ImageLinks | None = None) -> "FolderStore | BucketStore":
    """Open a folder path, a `file:///` URL, or a bucket URL such as `s3://bucket/prefix`.

    Nothing is read or written yet. For a bucket, obstore reads keys and endpoints from the
    service's own variables, such as AWS_ACCESS_KEY_ID. `links` are those of a bucket's images; the
    images of a folder have file URLs.

    Raises:
        ValueError: the location is malformed, can't store objects, or contains a key or a query.
    """
    if not location or "\0" in location:
        raise ValueError(f"not a store location: {location!r}")
    if location.startswith("file:"):
        return FolderStore(_read_file_url(location))
    if "://" not in location:
        return FolderStore(Path(location).absolute())
    from stills.store.bucket import BucketStore  # noqa: PLC0415 - not for a folder

    _check_no_secrets(location)
    scheme = urlsplit(location).scheme
    if scheme not in _SCHEMES:
        known = ", ".join(("file", *_SCHEMES))
        raise ValueError(f"images can't be stored at {scheme}://, only at one of {known}")
    return BucketStore(location, links)


def _read_file_url(url: str) -> Path:
    parts = urlsplit(url)
    if parts.netloc not in {"", "localhost"} or not parts.path.startswith("/"):
        raise ValueError(f"not an absolute file URL: {url!r}")
    return file_path(url)


def _check_no_secrets(location: str) -> None:
    """Reject secrets, which would end up in URLs, logs and tracebacks, without quoting them."""
    parts = urlsplit(location)
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError(
            "a store location can't contain keys or a query: set the service's variables instead"
        )
