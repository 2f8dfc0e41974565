"""`stills catalog copy`: from SQLite to Postgres."""

import argparse
import sys
from pathlib import Path

from stills import assembly
from stills.cli.counting import counting
from stills.contract.errors import InvalidRequest
from stills.contract.postgres_url import PostgresUrl, is_postgres_url, read_postgres_url


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    target = sys.stdin.readline().strip() if options.target == "-" else options.target
    url = _read_url(target)
    with counting("copied", "row") as show:
        copied = assembly.copy_catalog(Path(options.source), url, show)
    for table, number in copied.items():
        print(f"{table:<16} {number}")
    return 0


def _read_url(written: str) -> PostgresUrl:
    action = "Give a URL such as postgresql://user:password@host:5432/database."
    if not is_postgres_url(written):
        raise InvalidRequest("the target is not a URL of Postgres", field="target", action=action)
    try:
        return read_postgres_url(written)
    except ValueError as error:
        raise InvalidRequest(
            f"the target is not a valid URL: {error}", field="target", action=action
        ) from None
