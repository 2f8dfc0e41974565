"""What works with which client; `STILLS_WRITE_DOCS=1` rewrites docs/clients.md."""

import os
from pathlib import Path

from tests.clients.matrix import CLIENTS, shown

PAGE = Path(__file__).parents[2] / "docs" / "clients.md"

INTRODUCTION = """\
# Clients

These public clients are tested as published, in these versions, with the service and the sandbox.
The tests in `tests/clients` write this page: everything in the third column is a test that passes.

| client | version | what works | setting |
|---|---|---|---|
"""


def render() -> str:
    """Return the page."""
    works = shown()
    rows = [
        f"| {client.name} (`{client.package}`) | {client.version} | {'; '.join(works[key])}"
        f"{f'. {client.limits}' if client.limits else ''} | {client.setting} |"
        for key, client in CLIENTS.items()
    ]
    return INTRODUCTION + "\n".join(rows) + "\n"


def test_every_client_is_shown_to_work():
    """A client without a test has no row."""
    assert [key for key, works in shown().items() if not works] == []


def test_the_page_lists_what_the_tests_show():
    """After a change of clients, versions or tests, run again with STILLS_WRITE_DOCS=1."""
    if os.environ.get("STILLS_WRITE_DOCS") == "1":
        PAGE.write_text(render(), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == render()
