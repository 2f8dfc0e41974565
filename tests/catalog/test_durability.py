"""What is synced to disk when a call returns: everything that money depends on."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.catalog_steps import Till, asked

from stills.catalog import SqliteCatalog
from stills.contract.errors import Billing
from stills.contract.generation import Claim, ProviderAnswer, Settlement
from stills.contract.money import Caps
from stills.contract.rate_limit import LimiterState, LimitScope

ANSWER = ProviderAnswer("https://oss.example/a.png", 4e9, "r-1")
BILLED = Settlement(Billing.BILLED, "answered", "r-1")
FILE = {"sha256": "ab" * 32, "byte_count": 9}
KEPT = FILE | {"object_path": "a.png"}

Write = Callable[[SqliteCatalog, Claim, int], Awaitable[object]]

SYNCED: dict[str, Write] = {
    "record_sends": lambda catalog, claim, _: catalog.record_sends(
        [claim], lease_seconds=60.0, caps=Caps()
    ),
    "settle_send": lambda catalog, _, send: catalog.settle_send(send, BILLED),
    "record_answer": lambda catalog, claim, send: catalog.record_answer(
        claim.generation.id, ANSWER, send=send, settlement=BILLED
    ),
    "record_spooled": lambda catalog, claim, _: catalog.record_spooled(
        claim.generation.id, **FILE, spool_url="file:///a.png"
    ),
    "record_kept": lambda catalog, claim, _: catalog.record_kept(claim.generation.id, **KEPT),
    "adopt": lambda catalog, claim, _: catalog.adopt(replace(claim.generation, **KEPT), []),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "stills.db"


class Trace:
    """The statements that SQLite runs, and how each commit is synced."""

    def __init__(self) -> None:
        self.statements: list[str] = []

    def commits(self) -> list[str]:
        mode, commits = "unknown", []
        for statement in self.statements:
            if statement.startswith("PRAGMA synchronous = "):
                mode = statement.rpartition(" ")[2]
            if statement == "COMMIT":
                commits.append(mode)
        return commits


@pytest.fixture
async def trace(till: Till) -> Trace:
    trace = Trace()
    watch = lambda connection: connection.set_trace_callback(trace.statements.append)  # noqa: E731
    await till.catalog.database.read(watch)
    return trace


@pytest.mark.parametrize("write", SYNCED.values(), ids=SYNCED)
async def test_everything_paid_is_synced(till: Till, trace: Trace, write: Write):
    """A call before it is sent, its outcome, the link, and the image's path."""
    claim = await till.claim("a")
    send = await till.send(claim, None)
    trace.statements.clear()
    await write(till.catalog, claim, send)
    assert trace.commits() == ["FULL"]


async def test_an_answer_from_the_catalog_is_not_synced(till: Till, trace: Trace):
    """It costs nothing, and there are many; only its count could be lost."""
    rendition = await till.buy("a")
    trace.statements.clear()
    await till.catalog.record_requests([(rendition, asked("a"))])
    assert trace.commits() == ["NORMAL"]


async def test_the_state_of_a_limit_is_not_synced(till: Till, trace: Trace):
    """It changes with every request, and what a power cut takes is soon learned again."""
    scope, state = LimitScope("dashscope", "qwen-image-max", "a"), LimiterState(*[0] * 11)
    await till.catalog.update_limiter_state(scope, lambda _state, _now: (state, None))
    assert trace.commits() == ["NORMAL"]


async def test_a_claim_need_not_be_synced(till: Till, trace: Trace):
    """A crash of the machine also ends the holder."""
    trace.statements.clear()
    claim = await till.claim("a")
    await till.catalog.release(claim)
    assert trace.commits() == ["NORMAL", "NORMAL"]
