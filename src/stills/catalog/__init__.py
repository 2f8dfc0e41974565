"""The catalog: requests, generations, renditions and spending, in SQLite or Postgres."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stills.catalog.sqlite_catalog import SqliteCatalog

__all__ = ["SqliteCatalog"]


def __getattr__(name: str) -> object:
    # Loaded when it is used, because a catalog in Postgres needs no SQLite.
    if name == "SqliteCatalog":
        from stills.catalog.sqlite_catalog import SqliteCatalog  # noqa: PLC0415

        return SqliteCatalog
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
