"""Each command in a process without modules of Stills; most tests share one that has them."""

import pkgutil
import subprocess
import sys

import stills.cli.commands

FORK_AND_IMPORT = """
import os, sys
import aiohttp.web, dashscope, fastapi, psycopg, pyvips, sqlalchemy  # which take most of the time
for name in sys.argv[1:]:
    if os.fork() == 0:
        __import__(name)
        os._exit(0)
    if os.wait()[1]:
        print(name)
"""


def test_each_command_can_be_imported_alone():
    """No module counts on another that happens to be imported before it."""
    commands = pkgutil.iter_modules(stills.cli.commands.__path__, "stills.cli.commands.")
    names = ["stills.cli.main", *(each.name for each in commands)]
    program = [sys.executable, "-c", FORK_AND_IMPORT, *names]
    done = subprocess.run(program, env={}, capture_output=True, text=True, check=True)
    assert len(names) > 20
    assert (done.stdout, done.stderr) == ("", "")
