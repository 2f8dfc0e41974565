"""A new request reads the catalog once, and writes nothing before its claim."""

import sqlite3
from collections.abc import Awaitable, Callable

import aiohttp
import pytest
from tests.support.running_service import serving

from stills.app import Stills
from stills.catalog.database import SqliteDatabase
from stills.http.settings import Settings

SETTINGS = Settings(model="qwen-image-max", key_check_seconds=600.0)  # not read again
KITE = {"prompt": "a red kite", "size": "512*512"}
CLAIM = ["INSERT", "INTO", "claims"]


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record all SQL statements of this process, in their order."""
    executed: list[str] = []
    connect: Callable[..., sqlite3.Connection] = sqlite3.connect

    def traced(*arguments, **options) -> sqlite3.Connection:
        connection = connect(*arguments, **options)
        connection.set_trace_callback(executed.append)
        return connection

    monkeypatch.setattr(sqlite3, "connect", traced)
    return executed


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Record what this process reads from the catalog."""
    seen: list[object] = []
    read = SqliteDatabase.read

    async def watch(database: SqliteDatabase, work: Callable) -> object:
        seen.append(work)
        return await read(database, work)

    monkeypatch.setattr(SqliteDatabase, "read", watch)
    return seen


async def test_a_new_request_is_looked_up_once_and_writes_only_its_claim(
    statements: list[str], reads: list[object], make_stills: Callable[..., Awaitable[Stills]]
):
    """One read says if its image is stored or was deleted; the first transaction is the claim's."""
    async with (
        serving(await make_stills(), SETTINGS) as url,
        aiohttp.ClientSession() as http,
    ):
        for seed in (1, 2):  # the first one opens the database and checks the store
            statements.clear()
            reads.clear()
            async with http.post(f"{url}/v1/image.generate", json=KITE | {"seed": seed}) as answer:
                assert answer.status == 200
    assert len(reads) == 1
    verbs = [statement.split(maxsplit=1)[0] for statement in statements]
    claim = next(i for i, statement in enumerate(statements) if statement.split()[:3] == CLAIM)
    begin = max(i for i, verb in enumerate(verbs[:claim]) if verb == "BEGIN")
    assert [verb for verb in verbs[:begin] if verb != "PRAGMA"] == ["SELECT", "SELECT"]
