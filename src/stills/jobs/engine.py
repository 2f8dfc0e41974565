"""DBOS: the queue of parts. The only module that imports it. Every method blocks."""

import logging
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from dbos import (
    DBOS,
    DBOSConfig,
    DBOSPortableJSONSerializer,
    SetWorkflowID,
    WorkflowStatus,
)
from dbos import (
    error as dbos_error,
)

from stills.jobs.database import SCHEMA, Database
from stills.jobs.parts import PartId

VERSION = "stills-1"
"""Workers of another version leave each other's parts alone: change it with the workflow."""

LISTS_AT_ONCE = 2
SINGLES_AT_ONCE = 16
"""How many parts of a list, and how many jobs of one shot, a worker has at once."""

_POLL_SECONDS = 0.5
_SUBSECONDS_SINCE = (3, 42)
_DRAIN_SECONDS = 3600  # a call may take as long as its deadline
_STUCK = ["SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"]


class Engine:
    """DBOS in this process, which can have only one. `run` is called in a thread for each part.

    Raises:
        JobsError: the database can't be used; from every method.
    """

    def __init__(
        self, database: Database, executor: str, provider: str, run: Callable[[PartId], None]
    ) -> None:
        self._database = database
        self._executor = executor
        self._run = run
        self._lists = f"stills-{provider}-lists"
        self._singles = f"stills-{provider}-singles"

    def start(self) -> None:
        """Connect, and begin to take parts."""
        _silence()
        DBOS(config=self._config())

        @DBOS.workflow(name="run_part", max_recovery_attempts=None)
        def run_part(job_id: str, number: int, attempt: int) -> None:
            self._run(PartId(job_id, number, attempt))

        self._workflow = run_part
        try:
            DBOS.listen_queues([self._lists, self._singles])
            DBOS.launch()
            for name, at_once in ((self._lists, LISTS_AT_ONCE), (self._singles, SINGLES_AT_ONCE)):
                DBOS.register_queue(
                    name,
                    worker_concurrency=at_once,
                    polling_interval_sec=_POLL_SECONDS,
                    on_conflict="always_update",
                )
        except (sa.exc.SQLAlchemyError, dbos_error.DBOSException) as error:
            DBOS.destroy(destroy_registry=True)
            raise self._database.failed(error) from error

    def stop(self) -> None:
        """Take no more parts, wait for those that run, and disconnect."""
        DBOS.destroy(destroy_registry=True, workflow_completion_timeout_sec=_DRAIN_SECONDS)

    def enqueue(self, parts: Sequence[PartId]) -> None:
        """Queue parts; those that are queued already stay so."""
        for one in parts:
            with self._translating(), SetWorkflowID(one.workflow_id):
                DBOS.enqueue_workflow(
                    self._singles if one.is_single else self._lists,
                    self._workflow,
                    one.job_id,
                    one.number,
                    one.attempt,
                )

    def resume_others(self, alive: frozenset[str]) -> None:
        """Queue again what executors have that are not alive."""
        with self._translating():
            for queue in (self._lists, self._singles):
                dead = [
                    each.workflow_id
                    for each in self._list(status="PENDING", queue_name=queue)
                    if each.executor_id not in alive
                ]
                if dead:
                    DBOS.resume_workflows(dead, queue_name=queue)

    def find_ended(self, parts: Sequence[PartId]) -> Sequence[PartId]:
        """Return the parts whose workflow has ended: DBOS will not run them again."""
        by_id = {one.workflow_id: one for one in parts}
        if not by_id:
            return ()
        with self._translating():
            ended = self._list(workflow_ids=list(by_id), status=_STUCK)
            return [by_id[each.workflow_id] for each in ended]

    def _config(self) -> DBOSConfig:
        """Return settings without network, logs or telemetry, and with JSON instead of pickle."""
        config = DBOSConfig(
            name="stills",
            application_version=VERSION,
            executor_id=self._executor,
            serializer=DBOSPortableJSONSerializer(),
            use_listen_notify=False,
            enable_otlp=False,
            log_level="CRITICAL",
        )
        if self._database.file_url is not None:
            config["system_database_url"] = self._database.file_url
            config["db_engine_kwargs"] = {"connect_args": {"factory": SqliteConnection}}
        else:
            # DBOS would look into the database `postgres` before it opens one of its own.
            config["system_database_engine"] = self._database.engine
            config["dbos_system_schema"] = SCHEMA
        return config

    def _list(
        self,
        *,
        status: str | list[str],
        queue_name: str | None = None,
        workflow_ids: list[str] | None = None,
    ) -> list[WorkflowStatus]:
        return DBOS.list_workflows(
            status=status,
            queue_name=queue_name,
            workflow_ids=workflow_ids,
            load_input=False,
            load_output=False,
        )

    @contextmanager
    def _translating(self) -> Iterator[None]:
        try:
            yield
        except (sa.exc.SQLAlchemyError, dbos_error.DBOSException) as error:
            raise self._database.failed(error) from error


class SqliteConnection(sqlite3.Connection):
    """Has the function that DBOS calls on Python 3.12 and newer.

    SQLite has it since 3.42, and Python may use an older one, such as that of Debian 12.
    """

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - as its base
        super().__init__(*args, **options)
        if sqlite3.sqlite_version_info < _SUBSECONDS_SINCE:
            self.create_function("unixepoch", 1, lambda _subsec: time.time())


def _silence() -> None:
    """Keep DBOS from printing: what matters is in our own errors."""
    log = logging.getLogger("dbos")
    log.propagate = False
    if not log.handlers:
        log.addHandler(logging.NullHandler())
