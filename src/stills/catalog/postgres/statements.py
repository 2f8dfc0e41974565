"""Statements on libpq itself, sent together until a result is needed.

psycopg's cursors take several times as long per statement, which would be most of the time of a
short transaction (benchmarks/README.md).
"""

import re
import select
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any

import psycopg
from psycopg import errors, pq

_PARAMETER = re.compile(r"(?<![:\w]):([a-z_][a-z0-9_]*)")

_WAIT_SECONDS = 60
"""After this, whether the server answers is checked again."""

# Types of results by OID, as the server writes them as text. All our sums are of whole numbers.
_WHOLE, _FRACTION, _FLAG = (20, 21, 23, 1700), (700, 701), 16


class Row:
    """One row of a result, by column name or position."""

    __slots__ = ("_positions", "_values")

    def __init__(self, positions: Mapping[str, int], values: Sequence[Any]) -> None:
        self._positions = positions
        self._values = values

    def __getitem__(self, key: Any, /) -> Any:  # noqa: ANN401 - a column of any type
        return self._values[key if isinstance(key, int) else self._positions[key]]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._values)

    def keys(self) -> Iterable[str]:
        """Return the names of all columns."""
        return self._positions


class Result:
    """The rows of one statement, which are waited for when the first one is fetched."""

    __slots__ = ("_all", "_next", "_prepared", "_rows")

    def __init__(self, statements: "Statements", prepared: "_Prepared") -> None:
        self._all = statements
        self._prepared = prepared
        self._rows: pq.abc.PGresult | None = None
        self._next = 0

    def fetchone(self) -> Row | None:
        """Return the next row, None after the last."""
        rows = self._wait()
        if self._next >= rows.ntuples:
            return None
        self._next += 1
        return self._prepared.read(rows, self._next - 1)

    def fetchall(self) -> list[Row]:
        """Return all further rows."""
        return list(self)

    def __iter__(self) -> Iterator[Row]:
        while (row := self.fetchone()) is not None:
            yield row

    def arrive(self, rows: pq.abc.PGresult) -> None:
        """Take the server's answer."""
        self._rows = rows

    def _wait(self) -> pq.abc.PGresult:
        if self._rows is None:
            self._all.finish()
        if self._rows is None:
            raise psycopg.OperationalError("the statement has no result")
        return self._rows


class Statements:
    """Prepares each statement once on its connection, and runs it there any number of times."""

    def __init__(self, libpq: pq.abc.PGconn) -> None:
        self._libpq = libpq
        self._prepared: dict[str, _Prepared] = {}
        self._names = count()
        self._sent: list[Result | None] = []  # None for the preparation of a statement
        self._new: list[str] = []

    def send(self, statement: str, values: Mapping[str, Any]) -> Result:
        """Send a statement; errors come with the first result that is fetched, or from `finish`."""
        prepared = self._prepared.get(statement) or _Prepared(next(self._names), statement)
        written = [_written(values[name]) for name in prepared.parameters]
        if not self._sent:
            self._libpq.enter_pipeline_mode()
        if statement not in self._prepared:
            self._libpq.send_prepare(prepared.name, prepared.text)
            self._prepared[statement] = prepared
            self._new.append(statement)
            self._sent.append(None)
        self._libpq.send_query_prepared(prepared.name, written)
        result = Result(self, prepared)
        self._sent.append(result)
        return result

    def finish(self) -> None:
        """Wait for the results of all statements.

        Raises:
            psycopg.Error: one of them failed; those after it were not run.
        """
        if not self._sent:
            return
        sent, self._sent = self._sent, []
        new, self._new = self._new, []
        failure: psycopg.Error | None = None
        try:
            self._libpq.pipeline_sync()
            for result in sent:
                rows = self._receive()
                if rows is None:
                    raise psycopg.OperationalError("the server sent no result")
                if rows.status == pq.ExecStatus.FATAL_ERROR:
                    failure = failure or _error(rows)
                elif result is not None and rows.status != pq.ExecStatus.PIPELINE_ABORTED:
                    result.arrive(rows)
                self._receive()  # the end of the statement's results
            self._receive()  # the end of all
            self._libpq.exit_pipeline_mode()
        except psycopg.Error as error:
            failure = failure or error
            self._libpq.finish()  # nobody knows which results would come next
        if failure is not None:
            for statement in new:
                del self._prepared[statement]
            raise failure

    def _receive(self) -> pq.abc.PGresult | None:
        """Return the next result, and let other threads run meanwhile."""
        libpq = self._libpq
        if libpq.is_busy():
            waiting = select.poll()
            while libpq.is_busy():
                unsent = select.POLLOUT if libpq.flush() else 0
                waiting.register(libpq.socket, select.POLLIN | unsent)
                waiting.poll(1000 * _WAIT_SECONDS)
                libpq.consume_input()
        return libpq.get_result()


class _Prepared:
    """A statement as the server knows it, and how to read its rows."""

    def __init__(self, number: int, statement: str) -> None:
        numbers: dict[str, int] = {}

        def placeholder(parameter: re.Match[str]) -> str:
            return f"${numbers.setdefault(parameter[1], len(numbers) + 1)}"

        self.name = b"stills%d" % number
        self.text = _PARAMETER.sub(placeholder, statement).encode()
        self.parameters = tuple(numbers)
        self._positions: Mapping[str, int] | None = None
        self._readers: Sequence[Callable[[bytes], Any]] = ()

    def read(self, rows: pq.abc.PGresult, number: int) -> Row:
        """Return one row of a result."""
        if self._positions is None:
            columns = range(rows.nfields)
            self._positions = {(rows.fname(one) or b"").decode(): one for one in columns}
            self._readers = [_reader(rows.ftype(one)) for one in columns]
        values = [
            None if (value := rows.get_value(number, column)) is None else read(value)
            for column, read in enumerate(self._readers)
        ]
        return Row(self._positions, values)


def _reader(oid: int) -> Callable[[bytes], Any]:
    if oid in _WHOLE:
        return int
    if oid in _FRACTION:
        return float
    return _read_flag if oid == _FLAG else bytes.decode


def _read_flag(value: bytes) -> bool:
    return value == b"t"


def _written(value: Any) -> bytes | None:  # noqa: ANN401 - of any type that a column has
    """Return a parameter as the server reads it."""
    if value is None:
        return None
    if isinstance(value, list):
        return b"{%s}" % b",".join(map(_written_element, value))
    if isinstance(value, bool):
        return b"t" if value else b"f"
    text = str(value)
    if "\0" in text:
        raise errors.CharacterNotInRepertoire(
            "a text contains the character NUL, which Postgres can't store"
        )
    return text.encode()


def _written_element(value: Any) -> bytes:  # noqa: ANN401 - of any type that an array has
    written = _written(value)
    if written is None:
        return b"NULL"
    return b'"%s"' % written.replace(b"\\", b"\\\\").replace(b'"', b'\\"')


def _error(rows: pq.abc.PGresult) -> psycopg.Error:
    """Return the error that a statement's result reports."""
    state = rows.error_field(pq.DiagnosticField.SQLSTATE)
    message = (rows.error_field(pq.DiagnosticField.MESSAGE_PRIMARY) or b"").decode(errors="replace")
    if state is None:
        return psycopg.OperationalError(message)
    try:
        return errors.lookup(state.decode())(message)
    except KeyError:
        return psycopg.DatabaseError(message)
