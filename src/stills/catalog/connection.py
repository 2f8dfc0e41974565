"""What the catalog's steps need from a database: the same statements run on each.

Besides standard SQL, a database provides the functions that the statements call: `unix_now`,
`date`, `lease_start`, `lease_end`, `in_lease`, `life_of`, `json_insert` and `lock_until_commit`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

Result = TypeVar("Result")


class Row(Protocol):
    """One row of a result, by column name or position."""

    def __getitem__(self, key: Any, /) -> Any:  # noqa: ANN401 - a column of any type
        """Return one column."""
        ...

    def __iter__(self) -> Iterator[Any]:
        """Iterate over the values of all columns."""
        ...

    def keys(self) -> Iterable[str]:
        """Return the names of all columns."""
        ...


class Cursor(Protocol):
    """The result of one statement, which a database may run only when it is fetched."""

    def fetchone(self) -> Any:  # noqa: ANN401 - a Row, or None after the last
        """Return the next row."""
        ...

    def fetchall(self) -> list[Any]:
        """Return all further rows."""
        ...

    def __iter__(self) -> Iterator[Any]:
        """Iterate over all further rows."""
        ...


class Connection(Protocol):
    """A connection, in a transaction if its caller writes. Parameters are named, as in `:key`."""

    def execute(self, statement: str, values: Mapping[str, Any] = ..., /) -> Cursor:
        """Run one statement."""
        ...

    def executemany(self, statement: str, values: Iterable[Mapping[str, Any]], /) -> object:
        """Run one statement for each of the values."""
        ...


class Database(Protocol):
    """Runs work on a connection, off the event loop."""

    async def read(self, work: Callable[[Connection], Result]) -> Result:
        """Run `work`, which changes nothing and is quick.

        Raises:
            CatalogError: the database can't be used, or was closed.
        """
        ...

    async def search(self, work: Callable[[Connection], Result]) -> Result:
        """Run `work`, which changes nothing and may take long.

        Raises:
            CatalogError: the database can't be used, or was closed.
        """
        ...

    async def write(
        self,
        work: Callable[[Connection], Result],
        *,
        synced: bool = True,
        shared: bool = False,
    ) -> Result:
        """Run `work` in a transaction, even if the caller is cancelled.

        `work` may run again if its transaction failed, so it changes nothing but the database. If
        `synced`, what it wrote survives a power cut once this returns. Work that is `shared`, which
        changes only rows of a generation that this process works on, may be in one transaction with
        others.

        Raises:
            CatalogError: the database can't be used, or was closed.
        """
        ...

    async def check_writable(self) -> None:
        """Check that the database can be written, without changing it.

        Raises:
            CatalogError: it can't.
        """
        ...

    async def close(self) -> None:
        """Finish pending work and disconnect; again does nothing."""
        ...


@dataclass(frozen=True, slots=True)
class TextSearch:
    """How a database finds text in folded prompts, for texts of `min_characters` or more.

    `condition` compares `p.prompt` to `:pattern`, which `pattern` makes of the text. `join` joins
    the tables in the order in which they are written.
    """

    condition: str
    pattern: Callable[[str], str]
    join: str
    min_characters: int
