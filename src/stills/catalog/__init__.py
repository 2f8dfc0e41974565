"""The catalog in SQLite: requests, generations, renditions and money."""

from stills.catalog.sqlite import SqliteCatalog

__all__ = ["SqliteCatalog"]
