"""The URL of a Postgres database, which never shows its password."""

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

_SCHEMES = ("postgresql://", "postgres://")


@dataclass(frozen=True, slots=True)
class PostgresUrl:
    """Where a database is. `secret` is the complete URL; `shown` has neither password nor options.

    Its repr shows no secret either.
    """

    secret: str = field(repr=False)
    shown: str


def is_postgres_url(written: str) -> bool:
    """Return whether a text is meant as the URL of a Postgres database."""
    return written.startswith(_SCHEMES)


def read_postgres_url(written: str) -> PostgresUrl:
    """Read a URL such as `postgresql://user:password@host:5432/database`.

    It may name several hosts, separated by commas.

    Raises:
        ValueError: it is not valid; the message quotes nothing of it.
    """
    try:
        parts = urlsplit(written)
        hosts = [_read_host(host) for host in parts.netloc.rpartition("@")[2].split(",")]
        query = parse_qs(parts.query, keep_blank_values=True)
    except ValueError:
        raise ValueError("its host or port is not valid") from None
    # Otherwise a part of the password would be taken for the host, and so appear in messages.
    if parts.netloc.count("@") > 1 or "@" in parts.path + parts.query or parts.fragment:
        raise ValueError("a special character in the user or password is not percent-encoded")
    if re.search("%(?![0-9A-Fa-f]{2})|%00", written):
        raise ValueError("a % in it is not followed by two digits; write % itself as %25")
    if "password" in query or "user" in query:
        raise ValueError("user and password belong before the host, as in user:password@host")
    if hosts == [""]:
        hosts = query.get("host", ["localhost"])[:1]
    where = ",".join(hosts)
    user = f"{parts.username}@" if parts.username else ""
    return PostgresUrl(written, f"postgresql://{user}{where}{parts.path}")


def _read_host(written: str) -> str:
    """Return a host and its port, if it has one.

    Raises:
        ValueError: they are not valid.
    """
    parts = urlsplit(f"//{written}")
    host, port = parts.hostname or "", parts.port
    if ":" in host:
        host = f"[{host}]"
    return host if port is None else f"{host or 'localhost'}:{port}"
