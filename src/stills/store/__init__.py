"""Where images are kept. obstore is loaded at the first byte written or read, not at import."""

from stills.store.object_store import ObjectStore, open_store

__all__ = ["ObjectStore", "open_store"]
