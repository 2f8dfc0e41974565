"""Batches with several takes of a shot."""

import pytest
from tests.support.batch_run import check_list, run_batch, write_list

from stills.batch.estimate import make_estimate
from stills.batch.manifest import read_done
from stills.contract.rate_limit import RateLimit

PIER = {"id": "pier", "prompt": "the pier", "seed": 5}
SEA = {"id": "sea", "prompt": "the sea", "reference_shot": "pier-2"}


async def test_more_takes_pay_only_for_the_new_ones(stills, sandbox, tmp_path):
    """The plan says so; the first take is the shot's image of an earlier run."""
    one = write_list(tmp_path, PIER)
    before = await run_batch(stills, check_list(stills, one), tmp_path / "out")
    three = write_list(tmp_path, PIER | {"takes": 3}, SEA)
    estimate, batch = await make_estimate(stills, check_list(stills, three), tmp_path / "out")
    assert (estimate.rows, estimate.takes, estimate.kept, estimate.new) == (4, 2, 1, 3)
    assert estimate.cost_usd == pytest.approx(0.105)
    entries = await run_batch(stills, batch, tmp_path / "out")
    assert list(entries) == ["pier", "pier-2", "pier-3", "sea"]
    assert entries["pier"].result.id == before["pier"].result.id
    assert [one.file for one in entries.values()][:3] == [
        "images/pier.png",
        "images/pier-2.png",
        "images/pier-3.png",
    ]
    assert [one.result.seed for one in entries.values()][:3] == [5, 6, 7]
    assert [(one.shot.take, one.shot.take_of) for one in entries.values()][:2] == [
        (1, None),
        (2, "pier"),
    ]
    assert sandbox.ledger.billed_images == 4


async def test_new_takes_of_a_shot_share_a_call(make_stills, sandbox, tmp_path):
    """The plan knows that they use the rate limit once, and every image counts for the cost cap."""
    stills = await make_stills(rate_limit=RateLimit(1.0))
    rows = [PIER | {"takes": 8}, {"id": "sea", "prompt": "the sea", "takes": 2}]
    batch = check_list(stills, write_list(tmp_path, *rows), max_cost_usd=0.35)
    estimate, _ = await make_estimate(stills, batch, tmp_path / "out")
    assert (estimate.new, estimate.seconds) == (10, 3.0)
    entries = await run_batch(stills, batch, tmp_path / "out")
    assert {entry.status for entry in entries.values()} == {"done"}
    ordered = sorted(send.parameters["n"] for send in sandbox.ledger.generations)
    assert ordered == [2, 2, 6]


async def test_only_takes_that_are_missing_are_made_again(stills, sandbox, tmp_path):
    """The other takes are done; the shot that needs the missing one is looked up again."""
    path = write_list(tmp_path, PIER | {"takes": 3}, SEA)
    first = await run_batch(stills, check_list(stills, path), tmp_path / "out")
    (tmp_path / "out" / first["pier-2"].file).unlink()
    previous = read_done(tmp_path / "out", stills.provider)
    assert set(previous) == {"pier", "pier-3", "sea"}
    again = check_list(stills, path, previous=previous)
    entries = await run_batch(stills, again, tmp_path / "out")
    assert entries["pier"] == first["pier"]
    assert entries["pier-3"] == first["pier-3"]
    assert [entries[one].result.cached for one in ("pier-2", "sea")] == [True, True]
    assert sandbox.ledger.billed_images == 4


async def test_a_take_can_be_fresh(stills, tmp_path):
    """Its id names it; the other takes keep their images."""
    path = write_list(tmp_path, PIER | {"takes": 2})
    first = await run_batch(stills, check_list(stills, path), tmp_path / "out")
    batch = check_list(stills, path, fresh=frozenset(["pier-2"]))
    entries = await run_batch(stills, batch, tmp_path / "out")
    assert entries["pier"].result.id == first["pier"].result.id
    assert entries["pier-2"].result.id != first["pier-2"].result.id


async def test_a_problem_is_reported_once_for_all_takes(stills, tmp_path):
    """None of them is generated, and shots that need one are skipped."""
    path = write_list(
        tmp_path,
        {"id": "long", "prompt": "a kite " * 1000, "takes": 3},
        {"id": "many", "prompt": "x", "reference_images": ["a.png"] * 4, "takes": 3},
        {"id": "after", "prompt": "x", "reference_shot": "long-2"},
        {"id": "late", "prompt": "x", "reference_shot": "many-2"},
        {"id": "good", "prompt": "a kite"},
    )
    estimate, batch = await make_estimate(stills, check_list(stills, path), tmp_path / "out")
    assert [one.shot_id for one in batch.problems] == ["many", "long"]
    assert (estimate.new, estimate.takes) == (1, 0)
    entries = await run_batch(stills, batch, tmp_path / "out")
    assert {one: entry.status for one, entry in entries.items()} == {
        "after": "failed",
        "late": "failed",
        "good": "done",
    }
