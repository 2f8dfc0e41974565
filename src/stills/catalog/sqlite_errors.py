"""What SQLite's error codes mean for a catalog."""

import sqlite3

from stills.catalog.damaged_content import DamagedContent

_LOCKED = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
# Our SQL is fixed and tested, so SQLITE_ERROR, such as "no such table", is the fault of the file.
_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR})


class UnreadableLog(sqlite3.DatabaseError):
    """The write-ahead log holds changes that can't be read without writing."""


def is_locked(error: Exception) -> bool:
    """Return whether another connection held the lock for too long."""
    return _primary_code(error) in _LOCKED


def is_damage(error: Exception) -> bool:
    """Return whether an error of SQLite, or of reading its rows, is the fault of the file."""
    # Python fails like this on an error message of SQLite's that quotes a schema that is not UTF-8.
    if isinstance(error, (DamagedContent, UnicodeDecodeError)):
        return True
    return _primary_code(error) in _DAMAGE or is_undecodable(error)


def is_undecodable(error: Exception) -> bool:
    """Return whether a text is not UTF-8. Python finds that itself, so there is no error code."""
    return type(error) is sqlite3.OperationalError and _primary_code(error) is None


def _primary_code(error: Exception) -> int | None:
    """Return SQLite's error code without the extension in its upper bits."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF
