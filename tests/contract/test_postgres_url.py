"""The URL of a Postgres database."""

import pytest

from stills.contract.postgres_url import is_postgres_url, read_postgres_url


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (
            "postgresql://ann:secret@db.example:6432/stills",
            "postgresql://ann@db.example:6432/stills",
        ),
        ("postgres://ann:se%40cret@[::1]/stills?sslmode=require", "postgresql://ann@[::1]/stills"),
        ("postgresql://ann:secret@/stills?host=/run/pg", "postgresql://ann@/run/pg/stills"),
        (
            "postgresql://ann:secret@a.example:6432,[::1]:6433,b.example/stills?target_session_attrs=any",
            "postgresql://ann@a.example:6432,[::1]:6433,b.example/stills",
        ),
        ("postgresql://ann:secret@/stills?host=/a,/b", "postgresql://ann@/a,/b/stills"),
        ("postgresql://ann:secret@:6432/stills", "postgresql://ann@localhost:6432/stills"),
        ("postgresql:///stills?sslpassword=secret", "postgresql://localhost/stills"),
    ],
)
def test_a_url_is_shown_without_secrets(written, shown):
    """The driver gets all of it."""
    url = read_postgres_url(written)
    assert (url.shown, url.secret) == (shown, written)
    assert "cret" not in repr(url)


@pytest.mark.parametrize(
    "written",
    [
        "postgresql://ann:p@secret@host/db",
        "postgresql://ann:p/secret@host/db",
        "postgresql://ann:12/secret@host/db",
        "postgresql://ann:12?secret@host/db",
        "postgresql://ann:12#secret@host/db",
        "postgresql://ann:secret@host:port/db",
        "postgresql://ann:secret@host:99999/db",
        "postgresql://ann:secret@host:5432,other:port/db",
        "postgresql://ann:secret@[host/db",
        "postgresql://ann:secret%@host/db",
        "postgresql://ann:secret%zz@host/db",
        "postgresql://ann:secret%00@host/db",
        "postgresql://host/db?password=secret",
    ],
)
def test_an_invalid_url_is_refused_without_quoting_it(written):
    """A part of a password could be taken for a host or port, and appear in a message."""
    with pytest.raises(ValueError, match=r"valid|encoded|belong|followed") as caught:
        read_postgres_url(written)
    assert "secret" not in str(caught.value)


def test_only_urls_of_postgres_are_recognized():
    """Others are refused, and a path stays a path."""
    assert is_postgres_url("postgresql://host/db")
    assert is_postgres_url("postgres://host/db")
    assert not is_postgres_url("mysql://host/db")
    assert not is_postgres_url("postgresql/stills.db")
