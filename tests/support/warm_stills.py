"""Run `stills` in forks of a process that has its modules in memory.

Importing them takes most of a command's time. Each command has its own arguments, variables,
folder, umask and standard streams. The SDK, which reads variables when it is imported, has found
none: what it needs, Stills must pass to it.

A command arrives at the socket CONTROL, a file descriptor, as four more: a socket and the standard
streams. The socket then has the command as JSON, and gets two numbers: process id and exit code.
"""

import gc
import json
import os
import runpy
import socket
import struct
import sys
import time
from importlib import import_module
from typing import Any

MODULES = (  # none starts a thread
    *("aiohttp.web", "psycopg", "pyvips", "sqlalchemy", "yaml"),
    *("stills.assembly", "stills.catalog", "stills.provider.dashscope", "stills.sandbox"),
    *(f"stills.cli.commands.{name}" for name in ("batch", "generate", "sandbox", "spend")),
)
NUMBER = struct.Struct("i")


def main() -> None:
    """Attend to each command in a process of its own, until CONTROL is closed."""
    control = socket.socket(fileno=int(sys.argv[1]))
    for name in MODULES:
        import_module(name)
    gc.freeze()  # a collection in a command would copy what it shares
    while descriptors := socket.recv_fds(control, 1, 4)[1]:
        if os.fork() == 0:
            control.close()
            attend(*descriptors)
            return
        for each in descriptors:
            os.close(each)
        while _reap():
            pass


def attend(connection: int, *streams: int) -> None:
    """Fork a command and say how it ends; return only in its own process, when it is done."""
    with socket.socket(fileno=connection) as caller:
        with caller.makefile("rb") as asked:
            command = json.load(asked)
        pid = os.fork()
        if pid != 0:
            for each in streams:
                os.close(each)
            caller.sendall(NUMBER.pack(pid))
            caller.sendall(NUMBER.pack(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])))
            os._exit(0)
    for number, each in enumerate(streams):
        os.dup2(each, number)
        os.close(each)
    become(command)


def become(command: dict[str, Any]) -> None:
    """Do in a new process what `python -m stills` does, or `python PROGRAM`."""
    os.environ.clear()
    os.environ.update(command["variables"])
    time.tzset()
    os.umask(command["umask"])
    os.chdir(command["folder"])
    sys.path[0] = command["folder"]
    sys.argv = [command["program"], *command["arguments"]]
    if command["program"] == "stills":
        runpy.run_module("stills", run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(command["program"], run_name="__main__")


def _reap() -> bool:
    try:
        return os.waitpid(-1, os.WNOHANG)[0] != 0
    except ChildProcessError:
        return False


if __name__ == "__main__":
    main()
