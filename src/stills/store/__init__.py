"""Stores for images: a local folder, or a bucket through obstore."""

from stills.store.bucket import BucketStore
from stills.store.folder import FolderStore
from stills.store.location import open_store

__all__ = ["BucketStore", "FolderStore", "open_store"]
