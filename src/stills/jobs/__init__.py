"""Durable jobs on DBOS, in SQLite or Postgres. Only assembly imports this package."""

from importlib.util import find_spec

from stills.jobs.dbos_jobs import DbosJobs

if find_spec("dbos") is None:  # it is loaded later, and only by workers
    raise ModuleNotFoundError("No module named 'dbos'", name="dbos")

__all__ = ["DbosJobs"]
