"""The output folders of batches, in the catalog's database."""

from typing import TYPE_CHECKING

from stills.catalog.connection import Connection, Database
from stills.catalog.processes import this_process

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stills.contract.upkeep import BatchFolder

_ADD = "INSERT INTO batch_folders (host, url) VALUES (:host, :url) ON CONFLICT DO NOTHING"
_ALL = "SELECT host, url FROM batch_folders ORDER BY host, url"
_FORGET = "DELETE FROM batch_folders WHERE host = :host AND url = :url"


class SqlBatchFolders:
    """Implements the port BatchFolders."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, url: str) -> None:
        values = {"host": this_process().host, "url": url}
        await self._database.write(lambda one: one.execute(_ADD, values) and None)

    async def list(self) -> "Sequence[BatchFolder]":
        from stills.contract.upkeep import BatchFolder  # noqa: PLC0415 - rarely used

        def work(connection: Connection) -> list[BatchFolder]:
            return [BatchFolder(row["host"], row["url"]) for row in connection.execute(_ALL)]

        return await self._database.read(work)

    async def forget(self, folder: "BatchFolder") -> None:
        values = {"host": folder.host, "url": folder.url}
        await self._database.write(lambda one: one.execute(_FORGET, values) and None)
