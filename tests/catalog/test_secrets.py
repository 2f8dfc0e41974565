"""Secrets that the database's rows don't contain."""

import sqlite3
import time
from contextlib import closing

import pytest

from stills.catalog import SqliteCatalog
from stills.contract.errors import Billing
from stills.contract.generation import Claim, GenerationSpec, ProviderAnswer, Settlement
from stills.contract.money import Caps
from stills.contract.size import Size

SIZE = Size(1328, 1328)
LINK = "https://oss.example/a.png?Signature=topsecret"
WANTED = GenerationSpec(
    key="k",
    seeded_key="k7",
    provider="sandbox",
    model="qwen-image-max",
    prompt="a kite",
    style=None,
    text="a kite",
    negative_prompt=None,
    native_size=SIZE,
    seed=7,
    references=(),
    price_usd=0.075,
)


@pytest.fixture
async def catalog(tmp_path):
    opened = SqliteCatalog(tmp_path / "stills.db")
    yield opened
    await opened.close()


@pytest.fixture
def dump(tmp_path):
    """Return all live rows as text."""

    def dump_rows() -> str:
        with closing(sqlite3.connect(tmp_path / "stills.db")) as connection:
            return "\n".join(connection.iterdump())

    return dump_rows


async def answered(catalog: SqliteCatalog, *, lives_seconds: float) -> Claim:
    claim = await catalog.claim(WANTED, SIZE, lease_seconds=60, fresh=False, caps=Caps())
    (number,) = await catalog.record_sends([claim], lease_seconds=60, caps=Caps())
    await catalog.record_answer(
        claim.generation.id,
        ProviderAnswer(LINK, time.time() + lives_seconds, "r-1"),
        send=number,
        settlement=Settlement(Billing.BILLED, "answered", "r-1"),
    )
    return claim


async def test_the_link_is_in_no_row_once_the_image_is_stored(catalog, dump):
    """Anyone can open an image with its signed link, so the link is deleted when not needed."""
    claim = await answered(catalog, lives_seconds=3600)
    assert "topsecret" in dump()
    await catalog.record_kept(claim.generation.id, sha256="ab", byte_count=1, object_path="a.png")
    assert "topsecret" not in dump()


async def test_a_dead_link_is_in_no_row_after_the_next_claim(catalog, dump):
    """The next claim gives up on the old generation, and on its link."""
    claim = await answered(catalog, lives_seconds=-1)
    await catalog.record_link_dead(claim.generation.id)
    await catalog.release(claim)
    await catalog.claim(WANTED, SIZE, lease_seconds=60, fresh=False, caps=Caps())
    assert "topsecret" not in dump()
