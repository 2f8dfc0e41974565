"""What Postgres's errors mean for a catalog: one line for each, without passwords or prompts."""

import psycopg
from psycopg import errors

from stills.contract.errors import CatalogError
from stills.contract.postgres_url import PostgresUrl

_RETRY = "Retry; what was paid for is journalled, and stored images are intact."
_CHECK_URL = "Check STILLS_CATALOG. Nothing was sent."
_BAD_URL = "its URL is not valid"
_ADD_TLS = "Add ?sslmode=require (or verify-full) to STILLS_CATALOG"
_CORRECT_URL = (
    "Check the options in STILLS_CATALOG, such as sslmode, and percent-encode special characters. "
    "Nothing was sent."
)

# libpq reports a failed connection as text only. The first words that occur decide. It may try with
# TLS and without, and report both.
_REFUSALS: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (
        ("password authentication failed", "no password supplied", "authentication failed"),
        "the server refuses the user or the password",
        _CHECK_URL,
    ),
    (
        ("SSL encryption", "SSL on"),
        "the server doesn't allow this user to connect from this machine",
        "Allow it in the server's pg_hba.conf. Nothing was sent.",
    ),
    (
        ("no encryption", "SSL off"),
        "the server doesn't allow this user to connect from this machine without TLS",
        f"{_ADD_TLS}, or allow it in the server's pg_hba.conf. Nothing was sent.",
    ),
    (
        ("requires SSL", "SSL/TLS required"),
        "the server requires TLS",
        f"{_ADD_TLS}. Nothing was sent.",
    ),
    (
        ("server does not support SSL",),
        "the server has no TLS, and STILLS_CATALOG asks for it",
        "Enable TLS on the server, or change sslmode in STILLS_CATALOG. Nothing was sent.",
    ),
    (
        ("certificate verify failed", "server certificate for", "root certificate file"),
        "the server's TLS certificate can't be verified",
        "Set sslrootcert in STILLS_CATALOG to the CA of the server. Nothing was sent.",
    ),
    (
        (
            *("too many clients", "remaining connection slots", "too many connections"),
            *("no more connections allowed", "query_wait_timeout"),  # a pooler's words
        ),
        "the server has no free connection",
        "Raise max_connections on the server, or run fewer processes. Nothing was sent.",
    ),
    (
        ("could not translate host name", "Name or service not known", "failed to resolve host"),
        "its host is unknown",
        _CHECK_URL,
    ),
    (
        ("Connection refused", "No such file or directory", "could not connect to server"),
        "no server answers at this address",
        "Start Postgres, or check STILLS_CATALOG. Nothing was sent.",
    ),
    (
        ("timeout expired", "timed out", "Network is unreachable", "No route to host"),
        "the server can't be reached in time",
        "Check the network, and STILLS_CATALOG. Nothing was sent.",
    ),
    (
        ("invalid response", "unexpected response", "expected authentication request"),
        "the server at this address is not Postgres",
        _CHECK_URL,
    ),
    (
        ("starting up", "shutting down", "recovery mode"),
        "the server is starting or stopping",
        "Retry in a moment. Nothing was sent.",
    ),
    (
        ('role "', "permission denied for database"),
        "the server doesn't allow this user to connect to the database",
        _CHECK_URL,
    ),
    (
        ('database "',),
        "the database does not exist",
        "Create it, or check STILLS_CATALOG. Nothing was sent.",
    ),
    (("invalid ",), _BAD_URL, _CORRECT_URL),
)

_INVISIBLE = (
    "its tables are not visible",
    "If the schema stills was deleted, restore a backup. A pooler must be in session mode.",
)
_CHANGED_CONNECTION = (
    "a pooler changes the connection between transactions",
    "Connect directly, or through a pooler in session mode. What was paid for is journalled.",
)

_FAILURES: tuple[tuple[type[Exception], str, str], ...] = (
    (errors.UndefinedTable, *_INVISIBLE),
    (errors.UndefinedFunction, *_INVISIBLE),
    (errors.InvalidSqlStatementName, *_CHANGED_CONNECTION),
    (errors.DuplicatePreparedStatement, *_CHANGED_CONNECTION),
    (
        errors.InsufficientPrivilege,
        "the user lacks rights on the schema stills",
        "Let the database's owner run `stills catalog migrate`, and grant rights to this user.",
    ),
    (
        errors.ReadOnlySqlTransaction,
        "the server is read-only, as a replica is",
        "Point STILLS_CATALOG at the primary server. Nothing was sent.",
    ),
    (errors.DiskFull, "no space is left on the server's disk", "Free space, then retry."),
    (
        errors.TooManyConnections,
        "the server has no free connection",
        "Raise max_connections on the server, or run fewer processes. Nothing was sent.",
    ),
    (errors.LockNotAvailable, "another process held a lock for too long", _RETRY),
    (errors.QueryCanceled, "a statement took too long", _RETRY),
)

# The server undoes the transaction, and the same one can succeed when it is run again.
PASSING = (errors.DeadlockDetected, errors.SerializationFailure)

# A connection has prepared a statement for tables that a newer Stills has changed since.
STALE = (errors.FeatureNotSupported,)


# Classes of SQLSTATE: the server ends the connection, or has lost it.
_GONE = ("08", "57P")


def is_of_connection(error: Exception) -> bool:
    """Return whether a lost connection is the cause, and not a statement that the server undid."""
    cause = error.__cause__
    if not isinstance(cause, psycopg.Error):
        return False
    return cause.sqlstate is None or cause.sqlstate.startswith(_GONE)


def unreachable(url: PostgresUrl, error: psycopg.Error) -> CatalogError:
    """Return the error for a failed attempt to connect."""
    if isinstance(error, psycopg.ProgrammingError):  # the driver can't read the URL
        return _unusable(url, _BAD_URL, _CORRECT_URL)
    text = str(error)
    for words, problem, action in _REFUSALS:
        if any(word in text for word in words):
            return _unusable(url, problem, action)
    return _unusable(url, "the connection failed", _CHECK_URL)


def failed(url: PostgresUrl, error: psycopg.Error, *, is_lost: bool) -> CatalogError:
    """Return the error for a failed statement. The server's own text may quote a prompt."""
    for kind, problem, action in _FAILURES:
        if isinstance(error, kind):
            return _unusable(url, problem, action)
    if is_lost:
        return CatalogError(f"the connection to the catalog {url.shown} was lost", action=_RETRY)
    code = f" (SQLSTATE {error.sqlstate})" if error.sqlstate else ""
    name = type(error).__name__
    return CatalogError(f"the catalog {url.shown} reports {name}{code}", action=_RETRY)


def _unusable(url: PostgresUrl, problem: str, action: str) -> CatalogError:
    return CatalogError(f"the catalog {url.shown} can't be used: {problem}", action=action)
