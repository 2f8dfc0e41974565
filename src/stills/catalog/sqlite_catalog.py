"""The catalog on SQLite: any number of threads and processes on one machine share one file."""

from collections.abc import Sequence
from pathlib import Path

from stills.catalog import schema
from stills.catalog.connection import Connection, TextSearch
from stills.catalog.database import SqliteDatabase
from stills.catalog.sql import SqlCatalog
from stills.contract.money import Caps

_TRIGRAMS = TextSearch(
    condition="prompts MATCH :pattern",
    pattern=lambda text: '"{}"'.format(text.replace('"', '""')),
    join="CROSS JOIN",  # keeps the order of loops
    min_characters=3,  # the index has no entry for a shorter text
)


class SqliteCatalog(SqlCatalog):
    """Implements the port Catalog; the first use creates the file.

    Without `creates_to_read`, only the first write does, and nothing is found before.
    """

    def __init__(self, path: Path, *, creates_to_read: bool = True) -> None:
        self._file = SqliteDatabase(path, creates_to_read=creates_to_read)
        super().__init__(self._file, _TRIGRAMS)

    def name_of_file(self, file: Path) -> str | None:
        return file.name if file in self._file.files else None

    async def migrate(self) -> int:
        if schema.is_missing(self._file.path):
            await self._file.write(lambda _: None)
        return await self._file.read(
            lambda connection: schema.check_version(connection, self._file.path)
        )

    async def set_aside_if_damaged(self) -> str | None:
        return await self._file.set_aside_if_damaged()

    def _begin_paid_step(self, connection: Connection, keys: Sequence[str], caps: Caps) -> None:
        del keys, caps
        schema.check_version(connection, self._file.path)

    def _hold_lock_byte(self) -> int | None:
        return self._file.holder_lock.hold()
