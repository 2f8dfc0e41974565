"""Rows without ids that moved keep their ids, and so their images and what was decided."""

import asyncio

import pytest
from tests.support.batch_run import MODEL, run_batch, write_list

from stills.batch.estimate import make_estimate
from stills.batch.manifest import read_earlier, read_manifest
from stills.batch.moved_rows import keep_ids
from stills.batch.output import RunOutput
from stills.batch.preflight import BatchOptions, check
from stills.batch.run import Run
from stills.shotlist.reader import read_shots
from stills.shotlist.shots import Defaults

PROMPTS = ("a kite", "a beach", "a boat")


@pytest.fixture
def plan(stills, tmp_path):
    """Return a function that plans rows, which are prompts or mappings."""

    def make(*rows, seed=None, takes=None, reviewed=()):
        given = [{"prompt": row} if isinstance(row, str) else row for row in rows]
        shot_list = read_shots(write_list(tmp_path, *given), Defaults(seed=seed, takes=takes))
        options = BatchOptions(model=stills.model(MODEL))
        keep_ids(shot_list, read_earlier(tmp_path / "out"), options, reviewed=reviewed)
        return check(shot_list, options)

    return make


@pytest.fixture
def run(stills, tmp_path, plan):
    """Return a function that runs rows: the images by id, in the order of the list, and notes."""

    async def make(*rows, **options):
        batch = plan(*rows, **options)
        entries = await run_batch(stills, batch, tmp_path / "out")
        return {name: one.result.id for name, one in entries.items()}, batch.notes

    return make


async def test_rows_in_another_order_keep_their_ids_and_images(run, sandbox):
    """A note says so. The film is in the order of the list."""
    before, notes = await run(*PROMPTS)
    assert not notes
    after, notes = await run(*reversed(PROMPTS))
    assert list(after.items()) == list(reversed(before.items()))
    (note,) = notes
    assert note.startswith("2 rows without ids moved, and keep their ids and images: ")
    assert note.endswith("shot-0003 is now shots.jsonl:1, ...")
    assert sandbox.ledger.billed_images == 3


async def test_an_inserted_row_is_the_only_one_that_is_generated(run, plan, stills, tmp_path):
    """The plan calls it new, under an id that no shot had."""
    before, _ = await run(*PROMPTS)
    batch = plan("a new one", *PROMPTS)
    estimate, batch = await make_estimate(stills, batch, tmp_path / "out")
    assert [(one.id, one.reason) for one in estimate.planned] == [("shot-0004", "new")]
    after = await run_batch(stills, batch, tmp_path / "out")
    assert list(after) == ["shot-0004", *before]


async def test_rows_keep_their_images_over_several_runs(run, sandbox):
    """Also after a removed row, whose id no longer exists."""
    await run(*PROMPTS)
    await run(*PROMPTS[1:])
    await run(PROMPTS[2], "a new one", PROMPTS[1])
    await run(PROMPTS[1], PROMPTS[2])
    assert sandbox.ledger.billed_images == 4


async def test_a_changed_row_keeps_its_id_when_others_move(run):
    """It is where it was among its neighbours: after the same row, or first."""
    await run(*PROMPTS)
    after, _ = await run("first", *PROMPTS)
    assert list(after) == ["shot-0004", "shot-0001", "shot-0002", "shot-0003"]
    changed, _ = await run("first of all", "a kite", "a red beach", "a boat")
    assert list(changed) == list(after)
    assert changed["shot-0002"] != after["shot-0002"]
    styled, _ = await run(*({"prompt": one, "style": "ink"} for one in ("first", *PROMPTS)))
    assert list(styled) == list(after)


async def test_a_new_row_never_gets_what_was_decided_about_a_removed_one(run):
    """The review still has the picture of the user that stood for it."""
    await run(*PROMPTS)
    await run(*PROMPTS[:2])
    after, _ = await run(*PROMPTS[:2], "a new one", reviewed={"shot-0003"})
    assert list(after) == ["shot-0001", "shot-0002", "shot-0004"]


async def test_equal_rows_keep_an_image_each(run, sandbox):
    """They get their ids in the order of the list."""
    before, _ = await run("a kite", "a kite", "a boat")
    after, _ = await run("a boat", "a kite", "a kite")
    assert after == before
    assert list(after) == ["shot-0003", "shot-0001", "shot-0002"]
    assert sandbox.ledger.billed_images == 3


async def test_takes_move_with_their_row(run, sandbox):
    """Their ids and seeds follow those of the first one."""
    before, _ = await run(*PROMPTS, takes=2)
    after, _ = await run(*reversed(PROMPTS), takes=2)
    assert after == before
    assert sandbox.ledger.billed_images == 6


async def test_another_project_seed_means_new_images(run, sandbox):
    """It was asked for. The ids stay."""
    before, _ = await run(*PROMPTS, seed=1)
    after, _ = await run(*reversed(PROMPTS), seed=2)
    assert set(after) == set(before)
    assert sandbox.ledger.billed_images == 6


async def test_rows_with_ids_or_seeds_are_left_as_they_are(run, sandbox):
    """Only what came from the position is replaced."""
    await run("a kite", {"prompt": "a beach"})
    _, notes = await run({"prompt": "a beach", "seed": 5}, {"prompt": "a kite", "id": "kite"})
    assert not notes
    assert sandbox.ledger.billed_images == 4


async def test_an_id_that_the_list_gives_to_a_row_is_its_own(run, sandbox):
    """No other row keeps it, although it had that id before."""
    before, _ = await run(*PROMPTS)
    after, _ = await run("a kite", "a boat", {"prompt": "a red boat", "id": "shot-0003"})
    assert list(after) == ["shot-0001", "shot-0002", "shot-0003"]
    assert after["shot-0001"] == before["shot-0001"]
    assert sandbox.ledger.billed_images == 5


async def test_a_row_with_a_seed_keeps_its_id_too(run, sandbox):
    """Otherwise it would take the id of a row that moved."""
    seeded = {"prompt": "a beach", "seed": 5}
    before, _ = await run("a kite", seeded)
    after, _ = await run("a boat", "a kite", seeded)
    assert list(after) == ["shot-0003", *before]
    assert sandbox.ledger.billed_images == 3


async def test_a_changed_row_gets_a_new_image(run, sandbox):
    """Its content is not that of any row before."""
    await run(*PROMPTS)
    await run("a red kite", *PROMPTS[1:])
    assert sandbox.ledger.billed_images == 4


async def test_a_reference_without_an_id_means_a_position(run, sandbox):
    """As in a new folder: a row that moved is meant by where it is now."""
    before, _ = await run("a kite", {"prompt": "a child", "reference_shot": "shot-0001"})
    child = {"prompt": "a child", "reference_shot": "shot-0002"}
    after, _ = await run("a boat", "a kite", "a beach", child)
    assert after | before == after
    assert sandbox.ledger.billed_images == 4


async def test_an_interrupted_run_loses_no_seed(run, plan, stills, sandbox, tmp_path):
    """The rows that it did not reach keep the lines they had, under the same ids."""
    await run(*PROMPTS)
    batch = plan("a new one", *PROMPTS)
    stop = asyncio.Event()
    stop.set()
    output = RunOutput(tmp_path / "out", batch.names, lambda *_: None)
    stopped = Run(stills, batch, output, stop)
    await stopped.generate()
    stopped.add_pending()
    output.close()
    entries = list(read_manifest(tmp_path / "out" / "manifest.jsonl"))
    assert [one.shot.id for one in entries] == ["shot-0004", "shot-0001", "shot-0002", "shot-0003"]
    assert [one.file is not None for one in entries] == [False, True, True, True]
    await run("a new one", *PROMPTS)
    assert sandbox.ledger.billed_images == 4


async def test_seeds_of_lists_that_an_earlier_version_moved_still_count(run, sandbox, tmp_path):
    """It gave rows the ids of their positions, and the seeds of the positions before."""
    await run(*PROMPTS)
    manifest = tmp_path / "out" / "manifest.jsonl"
    lines = manifest.read_text(encoding="utf-8")
    for number in (3, 2, 1):
        lines = lines.replace(f"shot-000{number}", f"shot-000{number + 1}")
    manifest.write_text(lines, encoding="utf-8")
    after, _ = await run("a new one", *PROMPTS)
    assert sandbox.ledger.billed_images == 4
    assert set(after) >= {"shot-0002", "shot-0003", "shot-0004"}
