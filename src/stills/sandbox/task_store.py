"""The asynchronous tasks of the last 24 hours.

States, times and the 24 hours are from Model Studio's page on asynchronous tasks
(help.aliyun.com/en/model-studio/manage-asynchronous-tasks), read in November 2026.
"""

import asyncio
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from stills.sandbox.faults import FaultKind
from stills.sandbox.images import ImageRecipe
from stills.sandbox.rules import AcceptedRequest


class TaskState(StrEnum):
    """The six states of a task. UNKNOWN covers tasks that never existed or are too old."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"
    UNKNOWN = "UNKNOWN"


@dataclass
class Task:
    """One task; `key` may ask for it, and `seq` is the number of its creation in the ledger.

    `ending` is the fault that applies to it, if any. Times are Unix seconds.
    """

    id: str
    key: str
    seq: int
    request_id: str
    accepted: AcceptedRequest
    ending: FaultKind | None
    state: TaskState = TaskState.PENDING
    submitted_at: float = field(default_factory=time.time)
    started_at: float | None = None
    ended_at: float | None = None
    images: list[tuple[ImageRecipe, str]] = field(default_factory=list)
    """Each image with the path and query of its URL."""

    def begin(self) -> None:
        """Start to run."""
        self.state, self.started_at = TaskState.RUNNING, time.time()

    def end(self, state: TaskState) -> None:
        """Reach a final state."""
        self.state, self.ended_at = state, time.time()

    def times(self) -> dict[str, str]:
        """Return the times so far, as the service writes them."""
        moments = {
            "submit_time": self.submitted_at,
            "scheduled_time": self.started_at,
            "end_time": self.ended_at,
        }
        return {name: _written(at) for name, at in moments.items() if at is not None}


class TaskStore:
    """Tasks by id, and what runs them."""

    def __init__(self, life_seconds: float) -> None:
        self._life_seconds = life_seconds
        self._tasks: dict[str, Task] = {}
        self._running: set[asyncio.Task[None]] = set()

    def start(self, task: Task, work: Coroutine[None, None, None]) -> None:
        """Add a task, and run it."""
        self._tasks[task.id] = task
        running = asyncio.ensure_future(work)
        self._running.add(running)
        running.add_done_callback(self._running.discard)

    def find(self, task_id: str, key: str) -> Task | None:
        """Return a task of this key that is not too old.

        The service shows a task to every key of its account. Here, each key has its own account.
        """
        task = self._tasks.get(task_id)
        if task is None or task.key != key or time.time() - task.submitted_at > self._life_seconds:
            return None
        return task

    def clear(self) -> None:
        """Forget all tasks, and stop those that run."""
        self._tasks.clear()
        for running in self._running:
            running.cancel()

    async def close(self) -> None:
        """Stop all tasks and wait for their end."""
        running = list(self._running)
        self.clear()
        await asyncio.gather(*running, return_exceptions=True)


def _written(at: float) -> str:
    return datetime.fromtimestamp(at).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]  # noqa: DTZ006
