"""The catalog in Postgres: any number of machines share one database."""

from stills.catalog.postgres.catalog import PostgresCatalog

__all__ = ["PostgresCatalog"]
