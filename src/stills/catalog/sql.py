"""The catalog in a SQL database: what its adapters have in common."""

import asyncio
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from stills.catalog import queries
from stills.catalog.api_keys import SqlApiKeys
from stills.catalog.batch_folders import SqlBatchFolders
from stills.catalog.claims import drop_claim, find_holder, renew_claim, take_claim
from stills.catalog.connection import Connection, Database, TextSearch
from stills.catalog.deletion import delete_generation, list_generation_objects
from stills.catalog.find import find, find_fresh, find_generation, look_up
from stills.catalog.idempotency import SqlIdempotency
from stills.catalog.kept import adopt, record_kept, settle_paid
from stills.catalog.limiter_state import read_limiter_state, update_limiter_state
from stills.catalog.processes import this_process
from stills.catalog.requests import record_requests
from stills.catalog.rows import read_generation, read_image, read_send
from stills.catalog.sends import record_answers, record_sends, record_tasks, settle
from stills.catalog.sessions import SqlSessions
from stills.catalog.upkeep import find_unknown, read_objects, read_older_than, read_unfinished
from stills.contract.errors import CatalogError
from stills.contract.generation import (
    AnsweredSend,
    CatalogHit,
    CatalogMiss,
    Claim,
    Generation,
    GenerationSpec,
    Held,
    Image,
    KnownStore,
    ProviderAnswer,
    Rendition,
    RequestRecord,
    Send,
    Settlement,
    StoredObject,
    Task,
)
from stills.contract.money import Caps
from stills.contract.rate_limit import LimiterState, LimitScope
from stills.contract.size import Size

if TYPE_CHECKING:
    from stills.contract.search import ImageLabels, ImagePage, ImageSearch
    from stills.contract.spending import JobSpend, SpendBy, SpendLine
    from stills.contract.upkeep import StoredGeneration

Value = TypeVar("Value")

RELEASE_RETRY_SECONDS = 1.0


class SqlCatalog(ABC):
    """Implements the port Catalog on a database."""

    def __init__(self, database: Database, text_search: TextSearch) -> None:
        self.database = database
        self._text_search = text_search
        self._releasing: set[asyncio.Task[None]] = set()
        self._closed = False
        self.api_keys = SqlApiKeys(self.database)
        self.sessions = SqlSessions(self.database)
        self.idempotency = SqlIdempotency(self.database)
        self.batch_folders = SqlBatchFolders(self.database)

    @abstractmethod
    def _begin_paid_step(self, connection: Connection, keys: Sequence[str], caps: Caps) -> None:
        """Do what must precede a claim of keys, or a call for them, in its transaction.

        Raises:
            CatalogError: the schema is newer than this Stills.
        """

    def _find_holder(self, connection: Connection, key: str) -> Held | None:
        """Return the holder of a key, or None if it can be claimed."""
        return find_holder(connection, key)

    def _hold_lock_byte(self) -> int | None:
        """Return the byte of the holders' file that this process has locked, None without one."""
        return None

    async def find(self, key: str, size: Size) -> CatalogHit | CatalogMiss:
        return await self.database.read(lambda connection: look_up(connection, key, size))

    async def find_many(
        self, wanted: Sequence[tuple[str, Size]]
    ) -> Sequence[CatalogHit | CatalogMiss]:
        return await self.database.read(
            lambda connection: [look_up(connection, key, size) for key, size in wanted]
        )

    async def find_seed(self, key: str) -> int | None:
        def work(connection: Connection) -> int | None:
            row = connection.execute(queries.FIND_SEED, {"key": key}).fetchone()
            return None if row is None else int(row["seed"])

        return await self.database.read(work)

    async def claim(
        self,
        spec: GenerationSpec,
        size: Size,
        *,
        lease_seconds: float,
        fresh: bool,
        caps: Caps,
        fresh_key: str | None = None,
    ) -> Claim | CatalogHit | Held:
        def work(connection: Connection) -> Claim | CatalogHit | Held:
            self._begin_paid_step(connection, [spec.key], caps)
            held = self._find_holder(connection, spec.key)
            if held is not None:
                return held
            if fresh:
                hit = find_fresh(connection, spec.key, size, fresh_key)
            else:
                hit = find(connection, spec.key, size)
            if hit is not None:
                return hit
            return take_claim(
                connection,
                spec,
                caps,
                lease_seconds=lease_seconds,
                fresh=fresh,
                fresh_key=fresh_key,
                lock_byte=self._hold_lock_byte(),
            )

        return await self._claim(spec.key, work)

    async def _claim(
        self, key: str, work: Callable[[Connection], Claim | CatalogHit | Held]
    ) -> Claim | CatalogHit | Held:
        """Run the transaction of a claim; the claim of a caller that was cancelled is released."""
        del key
        taking = asyncio.ensure_future(self.database.write(work, synced=False))
        try:
            return await asyncio.shield(taking)
        except asyncio.CancelledError:
            # The caller never learns of this claim, and every other worker would wait for it.
            with suppress(CatalogError):
                taken = await taking
                if isinstance(taken, Claim):
                    await self.release(taken)
            raise

    async def wait_until_free(self, key: str, *, poll_seconds: float) -> None:
        del key
        await asyncio.sleep(poll_seconds * random.uniform(0.5, 1.5))  # noqa: S311

    async def renew(self, claim: Claim, *, lease_seconds: float) -> bool:
        return await self.database.write(
            lambda connection: renew_claim(connection, claim, lease_seconds=lease_seconds)
        )

    async def release(self, claim: Claim) -> None:
        try:
            await self._release(claim)
        except CatalogError:
            if not self._closed:
                retrying = asyncio.create_task(self._release_later(claim))
                self._releasing.add(retrying)
                retrying.add_done_callback(self._releasing.discard)
            raise

    async def _release(self, claim: Claim) -> None:
        await self.database.write(lambda connection: drop_claim(connection, claim), synced=False)

    async def _release_later(self, claim: Claim) -> None:
        # While this process runs, others would take its claim for one in use.
        while True:
            await asyncio.sleep(RELEASE_RETRY_SECONDS)
            with suppress(CatalogError):
                return await self._release(claim)

    async def record_sends(
        self, claims: Sequence[Claim], *, lease_seconds: float, caps: Caps, account: str = ""
    ) -> Sequence[int] | None:
        def work(connection: Connection) -> list[int] | None:
            self._begin_paid_step(connection, [claim.key for claim in claims], caps)
            return record_sends(
                connection, claims, caps, lease_seconds=lease_seconds, account=account
            )

        return await self.database.write(work)

    async def settle_send(self, send: int, settlement: Settlement) -> None:
        await self.database.write(lambda one: settle(one, send, settlement), shared=True)

    async def record_task(self, generation_id: str, task: Task) -> None:
        await self.record_tasks({generation_id: task})

    async def record_tasks(self, tasks: Mapping[str, Task]) -> None:
        await self.database.write(lambda connection: record_tasks(connection, tasks), shared=True)

    async def record_answer(
        self, generation_id: str, answer: ProviderAnswer, *, send: int, settlement: Settlement
    ) -> None:
        await self.record_answers([AnsweredSend(generation_id, answer, send, settlement)])

    async def record_answers(self, answered: Sequence[AnsweredSend]) -> None:
        await self.database.write(lambda one: record_answers(one, answered), shared=True)

    async def record_link_dead(self, generation_id: str) -> None:
        await self._execute(queries.RECORD_LINK_DEAD, generation_id=generation_id)

    async def record_note(self, generation_id: str, note: str) -> None:
        await self._execute(queries.RECORD_NOTE, generation_id=generation_id, note=note)

    async def record_native_size(self, generation_id: str, size: Size, *, note: str) -> None:
        await self._execute(
            queries.RECORD_NATIVE_SIZE,
            generation_id=generation_id,
            width=size.width,
            height=size.height,
            note=note,
        )

    async def record_spooled(
        self, generation_id: str, *, sha256: str, byte_count: int, spool_url: str
    ) -> None:
        spooled: dict[str, str | int] = {
            "generation_id": generation_id,
            "sha256": sha256,
            "byte_count": byte_count,
            "spool_url": spool_url,
            "host": this_process().host,
        }

        def work(connection: Connection) -> None:
            connection.execute(queries.RECORD_SPOOLED, spooled)
            settle_paid(connection, generation_id, "spooled")

        await self.database.write(work, shared=True)

    async def record_kept(
        self, generation_id: str, *, sha256: str, byte_count: int, object_path: str
    ) -> Generation | None:
        kept: dict[str, str | int | None] = {
            "generation_id": generation_id,
            "sha256": sha256,
            "byte_count": byte_count,
            "object_path": object_path,
        }

        def work(connection: Connection) -> Generation | None:
            record_kept(connection, kept)
            settle_paid(connection, generation_id, "kept")
            row = connection.execute(queries.GENERATION, kept).fetchone()
            return None if row is None else read_generation(row)

        return await self.database.write(work, shared=True)

    async def record_requests(self, answered: Sequence[tuple[Rendition, RequestRecord]]) -> None:
        await self.database.write(
            lambda connection: record_requests(connection, answered), synced=False
        )

    async def update_limiter_state(
        self,
        scope: LimitScope,
        change: Callable[[LimiterState | None, float], tuple[LimiterState, Value]],
    ) -> Value:
        return await self.database.write(
            lambda connection: update_limiter_state(connection, scope, change), synced=False
        )

    async def read_limiter_state(
        self, scope: LimitScope, *, seconds: float
    ) -> tuple[LimiterState | None, int]:
        return await self.database.read(
            lambda connection: read_limiter_state(connection, scope, seconds)
        )

    async def list_images(self, *, limit: int) -> Sequence[Image]:
        return await self.database.read(
            lambda one: list(map(read_image, one.execute(queries.LIST_IMAGES, {"limit": limit})))
        )

    async def find_generation(self, generation_id: str) -> Generation | None:
        return await self.database.read(lambda one: find_generation(one, generation_id))

    async def find_images(self, prefix: str) -> Sequence[Image]:
        if not prefix.isascii() or "\0" in prefix:
            return []
        values = {"prefix": prefix, "first": prefix.partition("-")[0]}
        return await self.database.read(
            lambda one: list(map(read_image, one.execute(queries.SHOW_IMAGES, values)))
        )

    async def find_image(self, image_id: str) -> Image | None:
        from stills.catalog.search import find_image  # noqa: PLC0415 - not needed to generate

        return await self.database.read(lambda connection: find_image(connection, image_id))

    async def search_images(
        self, search: "ImageSearch", *, limit: int, cursor: str | None
    ) -> "ImagePage":
        from stills.catalog.search import search_images  # noqa: PLC0415 - not needed to generate

        return await self.database.search(
            lambda connection: search_images(
                connection, search, self._text_search, limit=limit, cursor=cursor
            )
        )

    async def list_labels(self, *, limit: int) -> "ImageLabels":
        from stills.catalog.search import list_labels  # noqa: PLC0415 - as above

        return await self.database.search(lambda connection: list_labels(connection, limit=limit))

    async def list_sends(self, generation_id: str) -> Sequence[Send]:
        values = {"generation_id": generation_id}
        return await self.database.read(
            lambda one: list(map(read_send, one.execute(queries.LEDGER, values)))
        )

    async def list_generation_objects(self, generation_id: str) -> Sequence[str]:
        return await self.database.read(lambda one: list_generation_objects(one, generation_id))

    async def delete_generation(self, generation_id: str) -> None:
        await self.database.write(lambda connection: delete_generation(connection, generation_id))

    async def list_unfinished(self, *, after: str | None = None) -> Sequence[Generation]:
        return await self.database.read(lambda connection: read_unfinished(connection, after))

    async def list_objects(self, *, after: str | None = None) -> Sequence[StoredObject]:
        return await self.database.search(lambda connection: read_objects(connection, after))

    async def list_older_than(
        self, before: float, *, after: str | None = None
    ) -> "Sequence[StoredGeneration]":
        return await self.database.search(lambda one: read_older_than(one, before, after))

    async def find_unknown(self, named: Mapping[str, str]) -> Sequence[str]:
        return await self.database.search(lambda connection: find_unknown(connection, named))

    async def check_writable(self) -> None:
        await self.database.check_writable()

    async def read_store(self) -> KnownStore:
        def work(connection: Connection) -> KnownStore:
            row = connection.execute(queries.STORE).fetchone()
            newest = connection.execute(queries.NEWEST_KEPT).fetchall()
            return KnownStore(row["id"], bool(row["confirmed"]), dict(map(tuple, newest)))

        return await self.database.read(work)

    async def record_store(self, store_id: str) -> None:
        await self._execute(queries.RECORD_STORE, id=store_id)

    async def settle_paid(self) -> Sequence[str]:
        def work(connection: Connection) -> list[str]:
            ids = [row["id"] for row in connection.execute(queries.UNSETTLED_PAID)]
            for generation_id in ids:
                settle_paid(connection, generation_id, "recovered")
            return ids

        return await self.database.write(work)

    async def adopt(self, generation: Generation, renditions: Sequence[Rendition]) -> bool:
        (adopted,) = await self.adopt_many([(generation, renditions)])
        return adopted

    async def adopt_many(
        self, images: Sequence[tuple[Generation, Sequence[Rendition]]]
    ) -> Sequence[bool]:
        return await self.database.write(
            lambda connection: [adopt(connection, *image) for image in images]
        )

    async def spend(self, *, since: float, by: "SpendBy | None") -> "Sequence[SpendLine]":
        from stills.catalog.spending import read_spend  # noqa: PLC0415 - not needed to generate

        return await self.database.search(
            lambda connection: read_spend(connection, since=since, by=by)
        )

    async def job_spend(self, job_id: str) -> "JobSpend":
        from stills.catalog.spending import read_job_spend  # noqa: PLC0415 - not needed to generate

        return await self.database.read(lambda connection: read_job_spend(connection, job_id))

    async def close(self) -> None:
        self._closed = True
        for retrying in self._releasing:
            retrying.cancel()
        await asyncio.gather(*self._releasing, return_exceptions=True)
        await self.database.close()

    async def _execute(self, query: str, **values: str | float) -> None:
        await self.database.write(lambda connection: connection.execute(query, values) and None)
