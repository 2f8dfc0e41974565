"""Which process holds a claim, and whether it is still alive.

On Linux, a pid and the time at which the process started identify it until the machine restarts.
Only processes of the same boot and the same namespaces see the same pids, so only they can judge
each other. On another machine, in another container or without /proc, the answer is UNKNOWN.
"""

import os
import socket
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

PROC = Path("/proc")
_BOOT_ID = PROC / "sys/kernel/random/boot_id"
NAMESPACES = PROC / "self/ns"
_ENDED_STATES = ("Z", "X", "x")  # a zombie has ended, but its parent has not noticed yet
_UNREADABLE = (OSError, ValueError, IndexError)


class Life(StrEnum):
    """What is known about a process."""

    ALIVE = "alive"
    DEAD = "dead"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Process:
    """One process. `started` is in clock ticks since boot.

    `scope` names the boot and the namespaces in which `pid` and `started` are valid. Both it and
    `started` are None if the system doesn't provide them.
    """

    host: str
    pid: int
    scope: str | None
    started: int | None


@cache
def this_process() -> Process:
    """Identify the running process."""
    pid = os.getpid()
    scope, started = None, None
    try:
        # A /proc of another namespace would show other processes under our pids.
        if (PROC / "self").readlink() == Path(str(pid)):
            _, started = _read_stat(pid)
            scope = _read_scope()
    except _UNREADABLE:
        scope, started = None, None
    return Process(socket.gethostname(), pid, scope, started)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=this_process.cache_clear)


def judge(scope: str | None, pid: int, started: int | None) -> Life:
    """Return what is known about a process, given by the fields of its Process."""
    own = this_process()
    if scope is None or scope != own.scope:
        return Life.UNKNOWN
    if (pid, started) == (own.pid, own.started):
        return Life.ALIVE
    try:
        os.kill(pid, 0)  # sends no signal; unlike /proc, it sees the processes of other users too
    except ProcessLookupError:
        return Life.DEAD
    except PermissionError:
        pass
    try:
        state, found = _read_stat(pid)
    except _UNREADABLE:
        return Life.UNKNOWN
    return Life.DEAD if state in _ENDED_STATES or found != started else Life.ALIVE


def _read_scope() -> str:
    """Name this boot and our pid and time namespaces; Linux before 5.6 has no time namespaces."""
    try:
        time = str((NAMESPACES / "time").readlink())
    except FileNotFoundError:
        time = "time"
    return f"{_BOOT_ID.read_text().strip()} {(NAMESPACES / 'pid').readlink()} {time}"


def _read_stat(pid: int) -> tuple[str, int]:
    """Read a process's state and start time."""
    stat = (PROC / str(pid) / "stat").read_text(errors="replace")
    fields = stat.rpartition(")")[2].split()  # the name before it may contain spaces and brackets
    return fields[0], int(fields[19])
