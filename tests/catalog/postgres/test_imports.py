"""What a catalog loads."""

import subprocess
import sys

import pytest

SCRIPT = """
import sys
from stills import Stills
Stills.from_catalog(environment={"HOME": "/", "STILLS_CATALOG": sys.argv[1]})
print(*sys.modules)
"""


@pytest.mark.parametrize(
    ("catalog", "other"),
    [
        ("stills.db", ("psycopg", "stills.catalog.postgres")),
        ("postgresql://localhost/stills", ("sqlite3", "stills.catalog.sqlite_catalog")),
    ],
)
def test_one_kind_of_catalog_does_not_load_the_other(catalog, other):
    """So Postgres's driver need not be installed, and a command starts as fast as before."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, catalog], check=True, capture_output=True, text=True
    )
    loaded = set(done.stdout.split())
    assert "stills.catalog.sql" in loaded
    assert loaded.isdisjoint(other)
