"""Migrations keep what older catalogs hold."""

import sqlite3
from contextlib import closing
from pathlib import Path

from stills.catalog import SqliteCatalog, schema
from stills.contract.generation import ReferenceRecord
from stills.contract.rate_limit import LimiterState, LimitScope
from stills.contract.size import Size

DIGEST = "cd" * 32
OLD_ROWS = f"""
INSERT INTO generations (
    id, key, seeded_key, provider, model, prompt, text, native_width, native_height, seed,
    reference_digest, stage, created_at, sha256, byte_count, object_path
) VALUES
    ('a00000000000', 'k1', 's1', 'sandbox', 'qwen-image-2.0', 'a', 'a', 512, 512, 1,
     '{DIGEST}', 'kept', 1.0, 'ab', 9, 'a.png'),
    ('b00000000000', 'k2', 's2', 'sandbox', 'qwen-image-2.0', 'b', 'b', 512, 512, 1,
     NULL, 'kept', 1.0, 'ab', 9, 'b.png')
"""


OLD_STATE = """
INSERT INTO limiter_states (
    provider, model, limit_per_second, started_at, counted_from, updated_at, rate_fraction,
    recovery, paused_until, lowered_at, learned_at, accepted, refused, accepted_since_refusal,
    last_good_per_second
) VALUES ('dashscope', 'qwen-image-max', 2.5, 1, 2, 3, 0.5, 0.25, 4, 5, 6, 7, 8, 9, 10)
"""


def make_older(path: Path, before: str, rows: str) -> None:
    """Make a catalog as it was before a migration, with some rows."""
    with closing(sqlite3.connect(path, isolation_level=None)) as older:
        older.create_function("folded", 1, str.casefold, deterministic=True)
        for script in sorted(schema.MIGRATIONS.glob("*.sql")):
            if script.name.endswith(before):
                break
            older.executescript(script.read_text())
        older.execute(f"PRAGMA user_version = {int(script.name.split('_')[0]) - 1}")
        older.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
        older.execute(rows)


async def test_the_reference_of_an_older_catalog_is_kept(tmp_path: Path):
    """A generation with one has a list of one, without a name; the others have none."""
    path = tmp_path / "stills.db"
    make_older(path, "_references.sql", OLD_ROWS)
    catalog = SqliteCatalog(path)
    try:
        hits = [await catalog.find(key, Size(512, 512)) for key in ("k1", "k2")]
    finally:
        await catalog.close()
    found = [hit.generation.spec.references for hit in hits]
    assert found == [(ReferenceRecord(DIGEST, None),), ()]


async def test_a_limit_that_an_older_catalog_has_learned_is_kept(tmp_path: Path):
    """It had one for all accounts, so each of them begins with it."""
    path = tmp_path / "stills.db"
    make_older(path, "_account.sql", OLD_STATE)
    catalog = SqliteCatalog(path)
    try:
        scope = LimitScope("dashscope", "qwen-image-max", "a")
        state, _ = await catalog.read_limiter_state(scope, seconds=60.0)
    finally:
        await catalog.close()
    assert state == LimiterState(2.5, 1, 2, 3, 0.5, 0.25, 4, 5, 6, 7, 8, 9, 10)
