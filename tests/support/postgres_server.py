"""A Postgres server for tests, on a socket in a temporary folder."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from stills.contract.postgres_url import PostgresUrl, read_postgres_url

PASSWORD = "owner-secret"
_START_SECONDS = 120
_SETTINGS = "listen_addresses=''\nmax_connections=200\nlc_messages='C'\n"


@dataclass(frozen=True)
class PostgresServer:
    """A running server with the superuser `owner`, who needs the password PASSWORD."""

    folder: Path
    bin: Path
    port: int

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def socket(self) -> Path:
        return self.folder / "socket" / ".s.PGSQL.5432"

    def url(self, database: str, user: str = "owner", password: str = PASSWORD) -> PostgresUrl:
        return read_postgres_url(
            f"postgresql://{user}:{password}@/{database}?host={self.folder / 'socket'}"
        )

    def tcp_url(self, database: str) -> PostgresUrl:
        return read_postgres_url(f"postgresql://owner:{PASSWORD}@127.0.0.1:{self.port}/{database}")

    def run(self, statement: str, database: str = "postgres") -> None:
        with psycopg.connect(self.url(database).secret, autocommit=True) as connection:
            connection.execute(statement)

    def query(self, statement: str, database: str = "postgres") -> Any:
        """Return the first column of the first row."""
        with psycopg.connect(self.url(database).secret, autocommit=True) as connection:
            row = connection.execute(statement).fetchone()
            return None if row is None else row[0]

    def control(self, *arguments: str) -> None:
        """Run pg_ctl: `start`, `stop -m fast` or `promote`."""
        command = [self.bin / "pg_ctl", "-D", self.data, "-w", "-t", _START_SECONDS]
        log = ["-l", self.folder / "log"] if arguments[0] == "start" else []
        _run_as_owner(*command, *log, *arguments)


@contextmanager
def run_postgres(
    *,
    rule: str = "",
    certificate: tuple[Path, Path] | None = None,
    is_synced: bool = False,
) -> Iterator[PostgresServer]:
    """Make a database cluster, start its server, and stop it at the end.

    One with a `rule`, the only one of pg_hba.conf, listens on 127.0.0.1 instead. With a certificate
    and its key, it has TLS. One that `is_synced` waits for its disk, as a real one does.
    """
    with _make_folder() as folder:
        server = PostgresServer(folder, _find_programs(), _free_port())
        _run_as_owner(
            *(server.bin / "initdb", "-D", server.data, "-U", "owner", "-A", "scram-sha-256"),
            *(f"--pwfile={folder / 'password'}", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"),
        )
        settings = f"{_SETTINGS}fsync={'on' if is_synced else 'off'}\n"
        if rule:
            settings += f"listen_addresses='127.0.0.1'\nport={server.port}\n"
            (server.data / "pg_hba.conf").write_text(f"{rule}\n")
        if certificate is not None:
            settings += "ssl=on\n"
            for source, name in zip(certificate, ("server.crt", "server.key"), strict=True):
                shutil.copy(source, server.data / name)
                (server.data / name).chmod(0o600)
                if os.geteuid() == 0:
                    shutil.chown(server.data / name, "postgres")
        with _running(server, settings):
            yield server


@contextmanager
def run_replica(primary: PostgresServer) -> Iterator[PostgresServer]:
    """Start a server that follows another, until it is promoted."""
    with _make_folder() as folder:
        server = PostgresServer(folder, primary.bin, _free_port())
        source = f"host={primary.folder / 'socket'} user=owner password={PASSWORD}"
        _run_as_owner(
            *(server.bin / "pg_basebackup", "-D", server.data, "-d", source),
            *("--write-recovery-conf", "--checkpoint=fast", "--no-sync"),
        )
        with _running(server, ""):
            yield server


@contextmanager
def _make_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="stills-pg-"))  # short: a socket's path has a limit
    try:
        (folder / "socket").mkdir()
        (folder / "password").write_text(PASSWORD)
        if os.geteuid() == 0:  # Postgres refuses to run as root
            account = pwd.getpwnam("postgres")
            for path in (folder, folder / "socket", folder / "password"):
                os.chown(path, account.pw_uid, account.pw_gid)
            folder.chmod(0o711)
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def _running(server: PostgresServer, settings: str) -> Iterator[None]:
    with (server.data / "postgresql.conf").open("a") as file:
        file.write(f"{settings}unix_socket_directories='{server.folder / 'socket'}'\n")
    server.control("start")
    try:
        yield
    finally:
        if (server.data / "postmaster.pid").exists():
            server.control("stop", "-m", "immediate")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


def _find_programs() -> Path:
    """Return the folder of the newest server's programs; Debian keeps them out of PATH."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    return max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda each: int(each.parent.name))


def _run_as_owner(*command: object) -> None:
    as_owner = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    done = subprocess.run(
        [*as_owner, *map(str, command)], capture_output=True, text=True, check=False, cwd="/"
    )
    assert done.returncode == 0, done.stdout + done.stderr
