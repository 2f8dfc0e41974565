"""What a catalog loads."""

import subprocess
import sys


def test_sqlite_needs_no_driver_of_postgres():
    """So it need not be installed, and a command starts as fast as before."""
    script = (
        "import sys; from pathlib import Path; import stills.app; "
        "from stills.catalog import SqliteCatalog; SqliteCatalog(Path('stills.db')); "
        "print([name for name in sys.modules if 'psycopg' in name or 'postgres.' in name])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]"
