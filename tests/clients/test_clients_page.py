"""What works with which client; `STILLS_WRITE_DOCS=1` rewrites docs/clients.md."""

import os
from pathlib import Path

from tests.clients.matrix import CLIENTS, MODEL_ALIASES, shown

PAGE = Path(__file__).parents[2] / "docs" / "clients.md"

INTRODUCTION = f"""\
# Clients

These public clients work unchanged with [`stills serve`](http.md) and [`stills mcp`](mcp.md), and
those of DashScope with [`stills sandbox`](sandbox.md). Everything in the third column is a test in
`tests/clients`, which runs the package as published, in this version, and writes this page.

A base URL is that of the service, with `/v1`. Aliases serve the names of OpenAI's models, which
some clients insist on:

```sh
export STILLS_MODEL_ALIASES={MODEL_ALIASES}
```

Clients for MCP are tested over HTTP, and with the server as their subprocess.

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
