"""Rows without ids that moved keep their images."""

import pytest
from tests.support.batch_run import MODEL, run_batch, write_list

from stills.batch.manifest import read_earlier
from stills.batch.moved_rows import keep_seeds
from stills.batch.preflight import BatchOptions, check
from stills.shotlist.reader import read_shots
from stills.shotlist.shots import Defaults

PROMPTS = ("a kite", "a beach", "a boat")


@pytest.fixture
def run(stills, tmp_path):
    """Return a function that runs rows, which are prompts or mappings: the images, and notes."""

    async def make(*rows, seed=None, takes=None):
        given = [{"prompt": row} if isinstance(row, str) else row for row in rows]
        shot_list = read_shots(write_list(tmp_path, *given), Defaults(seed=seed, takes=takes))
        options = BatchOptions(model=stills.model(MODEL))
        keep_seeds(shot_list, read_earlier(tmp_path / "out", stills.provider), options)
        batch = check(shot_list, options)
        entries = await run_batch(stills, batch, tmp_path / "out")
        return {name: one.result.id for name, one in entries.items()}, batch.notes

    return make


async def test_rows_in_another_order_are_not_generated_again(run, sandbox):
    """A note says so; the images have the names of the new positions."""
    before, notes = await run(*PROMPTS)
    assert not notes
    after, (note,) = await run(*reversed(PROMPTS))
    assert list(after.values()) == list(reversed(before.values()))
    assert note.startswith("2 rows without id moved")
    assert sandbox.ledger.billed_images == 3


async def test_an_inserted_row_is_the_only_one_that_is_generated(run, sandbox):
    """Its seed is that of its position, which another row kept; its prompt differs."""
    await run(*PROMPTS)
    await run("a new one", *PROMPTS)
    assert sandbox.ledger.billed_images == 4


async def test_rows_keep_their_images_over_several_runs(run, sandbox):
    """Also after a removed row, whose position no longer exists."""
    await run(*PROMPTS)
    await run(*PROMPTS[1:])
    await run(PROMPTS[2], "a new one", PROMPTS[1])
    await run(PROMPTS[1], PROMPTS[2])
    assert sandbox.ledger.billed_images == 4


async def test_equal_rows_keep_an_image_each(run, sandbox):
    """A row that stayed where it was keeps its own."""
    before, _ = await run("a kite", "a kite", "a boat")
    after, _ = await run("a boat", "a kite", "a kite")
    assert after["shot-0002"] == before["shot-0002"]
    assert set(after.values()) == set(before.values())
    assert sandbox.ledger.billed_images == 3


async def test_takes_move_with_their_row(run, sandbox):
    """Their seeds follow that of the first one."""
    before, _ = await run(*PROMPTS, takes=2)
    after, _ = await run(*reversed(PROMPTS), takes=2)
    assert set(after.values()) == set(before.values())
    assert sandbox.ledger.billed_images == 6


async def test_another_project_seed_means_new_images(run, sandbox):
    """It was asked for; the earlier seeds are not derived from it."""
    await run(*PROMPTS, seed=1)
    _, notes = await run(*reversed(PROMPTS), seed=2)
    assert not notes
    assert sandbox.ledger.billed_images == 6


async def test_rows_with_ids_or_seeds_are_left_as_they_are(run, sandbox):
    """Only what came from the position is replaced."""
    await run("a kite", {"prompt": "a beach"})
    _, notes = await run({"prompt": "a beach", "seed": 5}, {"prompt": "a kite", "id": "kite"})
    assert not notes
    assert sandbox.ledger.billed_images == 4


async def test_a_changed_row_gets_a_new_image(run, sandbox):
    """Its content is not that of any row before."""
    await run(*PROMPTS)
    await run("a red kite", *PROMPTS[1:])
    assert sandbox.ledger.billed_images == 4
