"""Durable jobs on DBOS, in SQLite or Postgres. Only assembly imports this package."""

from stills.jobs.dbos_jobs import DbosJobs

__all__ = ["DbosJobs"]
