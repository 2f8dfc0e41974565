"""Estimates: what a run would do, before anything is sent."""

from dataclasses import replace

import pytest
from tests.support.batch_run import check_list, run_batch, write_list

from stills.batch.estimate import Estimate, check_cost, make_estimate
from stills.batch.preflight import BatchOptions
from stills.cli.commands.batch_report import describe_estimate
from stills.contract.errors import BudgetExceeded


async def test_an_estimate_follows_references_to_stored_images(stills, tmp_path):
    """A shot is stored if its image was made from the stored image of the shot it needs."""
    rows = ({"id": "b", "prompt": "b", "reference_shot": "a"}, {"id": "a", "prompt": "a"})
    path = write_list(tmp_path, *rows, {"id": "c", "prompt": "c"})
    estimate, _ = await make_estimate(stills, check_list(stills, path), tmp_path / "out")
    assert replace(estimate, planned=()) == Estimate(
        rows=3, new=3, kept=0, cost_usd=0.105, seconds=None
    )
    assert [one.id for one in estimate.planned] == ["b", "a", "c"]
    await run_batch(stills, check_list(stills, path), tmp_path / "out")
    estimate, _ = await make_estimate(stills, check_list(stills, path), tmp_path / "out")
    assert (estimate.new, estimate.kept) == (0, 3)
    estimate, _ = await make_estimate(
        stills, check_list(stills, path, fresh=frozenset("a")), tmp_path / "out"
    )
    assert (estimate.new, estimate.kept) == (2, 1)


async def test_shots_that_the_model_refuses_are_problems(stills, tmp_path):
    """A prompt is over the limit, or a reference is missing."""
    path = write_list(
        tmp_path,
        {"id": "long", "prompt": "a kite " * 1000},
        {"id": "lost", "prompt": "a kite", "reference_image": "nowhere.png"},
        {"id": "good", "prompt": "a kite"},
    )
    batch = check_list(stills, path)
    estimate, batch = await make_estimate(stills, batch, tmp_path / "out")
    assert [(one.source, one.field) for one in batch.problems] == [
        ("shots.jsonl:1", "prompt"),
        ("shots.jsonl:2", "reference_image"),
    ]
    assert estimate.rows == estimate.new == 1
    assert list(await run_batch(stills, batch, tmp_path / "out")) == ["good"]


def test_a_run_over_the_cap_is_refused():
    """It is refused before anything is sent."""
    estimate = Estimate(rows=10, new=10, kept=0, cost_usd=0.75, seconds=None)
    options = BatchOptions(model=None, max_cost_usd=0.75)
    check_cost(estimate, options)
    with pytest.raises(BudgetExceeded, match=r"0\.75 USD, over the cap of 0\.70 USD"):
        check_cost(estimate, replace(options, max_cost_usd=0.7))


async def test_a_cap_is_refused_if_the_price_is_unknown(stills):
    """It could not be enforced."""
    estimate = Estimate(rows=1, new=1, kept=0, cost_usd=None, seconds=None, unpriced=1)
    options = BatchOptions(stills.model("qwen-image-2.1-pro"), max_cost_usd=1.0)
    with pytest.raises(BudgetExceeded, match=r"the price of .* is unknown"):
        check_cost(estimate, options)


async def test_rows_with_the_same_image_pay_for_it_once(stills, sandbox, tmp_path):
    """One of them has another size."""
    one = {"id": "a", "prompt": "a kite", "seed": 1}
    path = write_list(tmp_path, one, one | {"id": "b"}, one | {"id": "c", "size": "128*128"})
    estimate, _ = await make_estimate(stills, check_list(stills, path), tmp_path / "out")
    assert (estimate.rows, estimate.new, estimate.shared) == (3, 1, 2)
    assert estimate.cost_usd == 0.035
    await run_batch(stills, check_list(stills, path, max_cost_usd=0.035), tmp_path / "out")
    assert len(sandbox.ledger.generations) == 1


@pytest.mark.parametrize(("fresh", "new"), [("b", 1), ("ab", 2)])
async def test_rows_with_the_same_request_use_the_image_of_a_fresh_one(
    stills, sandbox, tmp_path, fresh, new
):
    """A fresh row is generated before them, and each fresh row pays for its own image."""
    one = {"id": "a", "prompt": "a kite", "seed": 1}
    path = write_list(tmp_path, one, one | {"id": "b"}, one | {"id": "c"})
    options = {"fresh": frozenset(fresh), "max_cost_usd": 0.035 * new}
    estimate, _ = await make_estimate(stills, check_list(stills, path, **options), tmp_path / "out")
    assert (estimate.rows, estimate.new, estimate.shared) == (3, new, 3 - new)
    entries = await run_batch(stills, check_list(stills, path, **options), tmp_path / "out")
    assert list(entries) == ["a", "b", "c"]
    assert all(entry.result for entry in entries.values())
    assert [entry.shot.id for entry in entries.values() if not entry.result.cached] == list(fresh)
    assert sandbox.ledger.billed_images == new


async def test_dependents_of_impossible_shots_are_skipped(stills, tmp_path):
    """Estimate and run agree: cycles, unknown names and refused shots are one problem each."""
    path = write_list(
        tmp_path,
        {"id": "a", "prompt": "a", "reference_shot": "b"},
        {"id": "b", "prompt": "b", "reference_shot": "a"},
        {"id": "c", "prompt": "c", "reference_shot": "b"},
        {"id": "d", "prompt": "d", "reference_shot": "nowhere"},
        {"id": "e", "prompt": "e", "reference_shot": "d"},
        {"id": "long", "prompt": "a kite " * 1000},
        {"id": "g", "prompt": "g", "reference_shot": "long"},
        {"id": "good", "prompt": "a kite"},
    )
    batch = check_list(stills, path)
    estimate, batch = await make_estimate(stills, batch, tmp_path / "out")
    assert {one.shot_id for one in batch.problems} == {"a", "d", "long"}
    assert (estimate.rows, estimate.new, estimate.skipped) == (5, 1, 4)
    entries = await run_batch(stills, batch, tmp_path / "out")
    assert {one: entry.status for one, entry in entries.items()} == {
        "b": "failed",
        "c": "failed",
        "e": "failed",
        "g": "failed",
        "good": "done",
    }
    assert entries["c"].failure.message == "it depends on 'b', which has no image"


PRO = "qwen-image-3.0-pro"


async def test_the_estimate_follows_size_and_references(stills, tmp_path):
    """Also for a shot whose reference does not exist yet."""
    path = write_list(
        tmp_path,
        {"id": "small", "prompt": "a"},
        {"id": "large", "prompt": "b", "size": "2048*2048"},
        {"id": "after", "prompt": "c", "reference_shot": "small"},
    )
    batch = check_list(stills, path, model=stills.model(PRO))
    estimate, _ = await make_estimate(stills, batch, tmp_path / "out")
    assert (estimate.new, estimate.cost_usd, estimate.unpriced) == (3, 0.158, 0)


async def test_the_estimate_counts_images_of_unknown_price(stills, tmp_path):
    """Their cost is unknown, not zero."""
    path = write_list(tmp_path, {"id": "a", "prompt": "a"}, {"id": "b", "prompt": "b"})
    batch = check_list(stills, path, model=stills.model("qwen-image-2.1-turbo"))
    estimate, _ = await make_estimate(stills, batch, tmp_path / "out")
    assert (estimate.new, estimate.cost_usd, estimate.unpriced) == (2, None, 2)
    assert "2 of unknown price" in describe_estimate(estimate, batch.options.model)
