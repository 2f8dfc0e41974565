"""Runs into a folder that has results: what was there is kept."""

import asyncio

from tests.support.batch_run import check_list, run_batch, write_list

from stills.batch.manifest import read_manifest
from stills.batch.output import RunOutput
from stills.batch.run import Run
from stills.contract.errors import Billing
from stills.review.record import end_run
from stills.sandbox import Fault, FaultKind
from stills.shotlist.shots import Outcome

ROWS = [{"id": "one", "prompt": "one"}, {"id": "two", "prompt": "two"}]


def with_seed(seed):
    return [row | {"seed": seed} for row in ROWS]


async def run(stills, tmp_path, rows, **options):
    batch = check_list(stills, write_list(tmp_path, *rows), **options)
    entries = await run_batch(stills, batch, tmp_path / "out")
    end_run(tmp_path / "out", batch.title)
    return entries


def boards(folder):
    return sorted((folder / "history").glob("*")) if (folder / "history").exists() else []


def files(folder):
    return {path.name: path.read_bytes() for path in (folder / "images").iterdir()}


async def test_another_seed_keeps_the_board_that_was_there(stills, tmp_path):
    """Its manifest, page, review and images are complete in the history."""
    out = tmp_path / "out"
    await run(stills, tmp_path, with_seed(1))
    before = files(out)
    names = ("manifest.jsonl", "index.html", "review.json")
    others = {name: (out / name).read_bytes() for name in names}
    thumbnails = {path.name for path in (out / "thumbnails").iterdir()}
    await run(stills, tmp_path, with_seed(2))
    (kept,) = boards(out)
    assert files(kept) == before
    assert {name: (kept / name).read_bytes() for name in names} == others
    assert {path.name for path in (kept / "thumbnails").iterdir()} == thumbnails
    assert files(out).keys() == before.keys()
    assert files(out) != before


async def test_pictures_that_stay_are_in_the_history_too(stills, tmp_path):
    """The page there shows all of its board, although only one picture was replaced."""
    out = tmp_path / "out"
    await run(stills, tmp_path, ROWS)
    before = files(out)
    await run(stills, tmp_path, [ROWS[0], ROWS[1] | {"prompt": "changed"}])
    (kept,) = boards(out)
    assert files(kept) == before


async def test_a_run_that_replaces_nothing_keeps_nothing(stills, tmp_path):
    """New shots, and shots that are stored, take no picture off the board."""
    await run(stills, tmp_path, ROWS)
    await run(stills, tmp_path, [*ROWS, {"id": "three", "prompt": "three"}])
    assert not boards(tmp_path / "out")


async def test_each_board_is_kept_apart(stills, tmp_path):
    """Also two that were written in the same second."""
    for seed in (1, 2, 3):
        await run(stills, tmp_path, with_seed(seed))
    kept = boards(tmp_path / "out")
    seeds = [
        {entry.shot.request.seed for entry in read_manifest(one / "manifest.jsonl")} for one in kept
    ]
    assert sorted(seeds, key=min) == [{1}, {2}]


async def test_the_picture_of_a_shot_that_fails_is_kept(stills, sandbox, tmp_path):
    """It leaves the board, because it is not what the list asks for."""
    await run(stills, tmp_path, with_seed(1))
    before = files(tmp_path / "out")
    sandbox.set_faults(Fault(FaultKind.CONTENT_REFUSED, match="two", times=None))
    await run(stills, tmp_path, with_seed(2))
    assert files(tmp_path / "out").keys() == {"one.png"}
    (kept,) = boards(tmp_path / "out")
    assert files(kept) == before


async def test_a_damaged_manifest_is_kept_as_it_is(stills, tmp_path):
    """The run does not fail on it, and the pictures that it replaces are kept."""
    out = tmp_path / "out"
    await run(stills, tmp_path, with_seed(1))
    before = files(out)
    (out / "manifest.jsonl").write_bytes(b"not JSON\n")
    await run(stills, tmp_path, with_seed(2))
    (kept,) = boards(out)
    assert (kept / "manifest.jsonl").read_bytes() == b"not JSON\n"
    assert files(kept) == before


async def stopped_run(stills, tmp_path, rows):
    """Run no shot of a list, as if Ctrl-C came first."""
    batch = check_list(stills, write_list(tmp_path, *rows))
    output = RunOutput(tmp_path / "out", batch.names, lambda *_: None)
    stop = asyncio.Event()
    stop.set()
    stopped = Run(stills, batch, output, stop)
    await stopped.generate()
    stopped.add_pending()
    output.close()
    return output, {one.shot.id: one for one in read_manifest(output.folder / "manifest.jsonl")}


async def test_an_interrupted_run_leaves_no_shot_without_its_picture(stills, tmp_path):
    """Shots that were not reached keep their lines; new ones are pending."""
    before = await run(stills, tmp_path, with_seed(1))
    rows = [*with_seed(2), {"id": "three", "prompt": "three"}]
    output, entries = await stopped_run(stills, tmp_path, rows)
    assert {name: one.result for name, one in entries.items()} == {
        "one": before["one"].result,
        "two": before["two"].result,
        "three": None,
    }
    assert entries["one"].shot.request.seed == 1
    assert output.totals.pending == 3
    assert not boards(output.folder)
    end_run(output.folder, "film")
    assert "images/one.png" in (output.folder / "index.html").read_text(encoding="utf-8")


async def test_a_pending_shot_without_its_file_stays_pending(stills, tmp_path):
    """The board has no picture to keep."""
    await run(stills, tmp_path, with_seed(1))
    (tmp_path / "out" / "images" / "one.png").unlink()
    _, entries = await stopped_run(stills, tmp_path, with_seed(2))
    assert entries["one"].result is None
    assert entries["two"].result is not None


async def test_what_an_interrupted_request_may_cost_is_kept_with_the_picture(stills, tmp_path):
    """The line of the earlier picture says so, too."""
    await run(stills, tmp_path, with_seed(1))
    batch = check_list(stills, write_list(tmp_path, *with_seed(2)))
    output = RunOutput(tmp_path / "out", batch.names, lambda *_: None)
    for position, shot in batch.shots():
        output.add(position, Outcome(shot, billing=Billing.POSSIBLE))
    output.close()
    entries = list(read_manifest(output.folder / "manifest.jsonl"))
    assert [one.billing for one in entries] == [Billing.POSSIBLE] * 2
    assert all(one.result for one in entries)
