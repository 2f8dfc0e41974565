"""The password of a catalog in Postgres, while a service uses it."""

import os
import subprocess
from contextlib import suppress
from pathlib import Path
from urllib.error import HTTPError

import pytest
from tests.support.postgres_server import PASSWORD


def titles_of_session(leader: int) -> list[str]:
    """Return the command lines of a program and of the processes that it has started."""
    titles = []
    for path in Path("/proc").iterdir():
        with suppress(ValueError, OSError):  # it has ended
            if os.getsid(int(path.name)) == leader:
                titles.append(path.joinpath("cmdline").read_text())
    return titles


def test_a_service_never_shows_its_password(
    serve, service, postgres_server, postgres_url, tmp_path: Path
):
    """Not in titles of processes, rows, answers, logs or files, even when the catalog fails."""
    server = serve(
        *("--workers", "2", "--log-format", "json"),
        **service.variables,
        STILLS_CATALOG=postgres_url.secret,
    )
    shown = [server.greeting, str(server.ask({"prompt": "a kite", "size": "512*512"}))]
    titles = titles_of_session(server.process.pid)
    assert len(titles) >= 3
    shown += titles
    name = postgres_url.shown.rpartition("/")[2]
    activity = "SELECT string_agg(a::text, ' ') FROM pg_stat_activity AS a"
    shown.append(postgres_server.query(activity))
    dump = [postgres_server.bin / "pg_dump", postgres_url.secret]
    shown.append(subprocess.run(dump, check=True, capture_output=True, text=True).stdout)
    assert "a kite" in shown[-1]
    postgres_server.run("INSERT INTO stills.schema_version (version) VALUES (99)", name)
    with pytest.raises(HTTPError) as failed:
        server.ask({"prompt": "a door", "size": "512*512"})
    shown.append(failed.value.read().decode())
    assert server.stop() == 0
    log = (tmp_path / "log").read_text()
    assert '"error": "catalog"' in log
    files = [path.read_bytes().decode(errors="replace") for path in tmp_path.rglob("*.*")]
    for each in (log, *shown, *files):
        assert PASSWORD not in each
    assert service.billed() == 1
