"""The catalog in SQLite: requests, generations, renditions and spending."""

from stills.catalog.sqlite import SqliteCatalog

__all__ = ["SqliteCatalog"]
