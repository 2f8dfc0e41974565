"""The catalog: requests, generations, renditions and spending, in SQLite or Postgres."""

from stills.catalog.sqlite_catalog import SqliteCatalog

__all__ = ["SqliteCatalog"]
