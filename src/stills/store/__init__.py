"""Stores for images: a local folder, or a bucket through obstore."""

from stills.store.folder import FolderStore
from stills.store.location import open_store

__all__ = ["FolderStore", "open_store"]
