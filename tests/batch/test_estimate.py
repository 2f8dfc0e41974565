"""Plans: what a run would do, before anything is sent."""

from dataclasses import replace

import pytest
from tests.support.batch_run import draw, survey, write

from stills.batch.estimate import Estimate, check_cost, make_plan
from stills.batch.preflight import BatchOptions
from stills.contract.errors import BudgetExceeded


async def test_a_plan_knows_what_is_kept_through_its_references(stills, tmp_path):
    """A shot is kept if its image was made from the reference that is kept now."""
    rows = ({"id": "b", "prompt": "b", "reference_shot": "a"}, {"id": "a", "prompt": "a"})
    path = write(tmp_path, *rows, {"id": "c", "prompt": "c"})
    plan = await make_plan(stills, survey(stills, path), tmp_path / "out")
    assert plan == Estimate(rows=3, new=3, kept=0, cost_usd=0.105, seconds=None)
    await draw(stills, survey(stills, path), tmp_path / "out")
    plan = await make_plan(stills, survey(stills, path), tmp_path / "out")
    assert (plan.new, plan.kept) == (0, 3)
    plan = await make_plan(stills, survey(stills, path, fresh=frozenset("a")), tmp_path / "out")
    assert (plan.new, plan.kept) == (2, 1)


async def test_what_the_model_can_t_draw_is_a_problem_of_the_plan(stills, tmp_path):
    """Such as a prompt over its limit, or a reference that is not there."""
    path = write(
        tmp_path,
        {"id": "long", "prompt": "a kite " * 200},
        {"id": "lost", "prompt": "a kite", "reference_image": "nowhere.png"},
        {"id": "good", "prompt": "a kite"},
    )
    batch = survey(stills, path)
    plan = await make_plan(stills, batch, tmp_path / "out")
    assert [(one.source, one.field) for one in batch.problems] == [
        ("shots.jsonl:1", "prompt"),
        ("shots.jsonl:2", "reference_image"),
    ]
    assert plan.rows == plan.new == 1
    assert list(await draw(stills, batch, tmp_path / "out")) == ["good"]


def test_a_cap_needs_a_price():
    """And refuses what would pass it, before anything is sent."""
    plan = Estimate(rows=10, new=10, kept=0, cost_usd=0.75, seconds=None)
    choices = BatchOptions(model=None, max_cost_usd=0.75)
    check_cost(plan, choices)
    with pytest.raises(BudgetExceeded, match=r"0\.75 USD, over the cap of 0\.70 USD"):
        check_cost(plan, replace(choices, max_cost_usd=0.7))


async def test_a_cap_is_refused_where_the_price_is_unknown(stills):
    """It could not be kept."""
    plan = Estimate(rows=1, new=1, kept=0, cost_usd=None, seconds=None)
    choices = BatchOptions(stills.model("qwen-image-3.0"), max_cost_usd=1.0)
    with pytest.raises(BudgetExceeded, match=r"the price of .* is unknown"):
        check_cost(plan, choices)


async def test_rows_that_get_the_same_image_cost_it_once(stills, sandbox, tmp_path):
    """Also in another size."""
    one = {"id": "a", "prompt": "a kite", "seed": 1}
    path = write(tmp_path, one, one | {"id": "b"}, one | {"id": "c", "size": "128*128"})
    plan = await make_plan(stills, survey(stills, path), tmp_path / "out")
    assert (plan.rows, plan.new, plan.shared) == (3, 1, 2)
    assert plan.cost_usd == 0.035
    await draw(stills, survey(stills, path, max_cost_usd=0.035), tmp_path / "out")
    assert len(sandbox.ledger.generations) == 1


@pytest.mark.parametrize(("fresh", "new"), [("b", 1), ("ab", 2)])
async def test_rows_that_share_the_image_of_a_fresh_one_get_that(
    stills, sandbox, tmp_path, fresh, new
):
    """It is drawn before them, wherever it stands; each fresh one pays for an image of its own."""
    one = {"id": "a", "prompt": "a kite", "seed": 1}
    path = write(tmp_path, one, one | {"id": "b"}, one | {"id": "c"})
    choices = {"fresh": frozenset(fresh), "max_cost_usd": 0.035 * new}
    plan = await make_plan(stills, survey(stills, path, **choices), tmp_path / "out")
    assert (plan.rows, plan.new, plan.shared) == (3, new, 3 - new)
    entries = await draw(stills, survey(stills, path, **choices), tmp_path / "out")
    assert list(entries) == ["a", "b", "c"]
    assert all(entry.result for entry in entries.values())
    assert [entry.shot.id for entry in entries.values() if not entry.result.cached] == list(fresh)
    assert sandbox.ledger.billed_images == new


async def test_what_needs_what_can_t_be_drawn_is_skipped_in_plan_and_run(stills, tmp_path):
    """Circles, names that are not there, and what the model refuses; each is one problem."""
    path = write(
        tmp_path,
        {"id": "a", "prompt": "a", "reference_shot": "b"},
        {"id": "b", "prompt": "b", "reference_shot": "a"},
        {"id": "c", "prompt": "c", "reference_shot": "b"},
        {"id": "d", "prompt": "d", "reference_shot": "nowhere"},
        {"id": "e", "prompt": "e", "reference_shot": "d"},
        {"id": "long", "prompt": "a kite " * 200},
        {"id": "g", "prompt": "g", "reference_shot": "long"},
        {"id": "good", "prompt": "a kite"},
    )
    batch = survey(stills, path)
    plan = await make_plan(stills, batch, tmp_path / "out")
    assert {one.shot_id for one in batch.problems} == {"a", "d", "long"}
    assert (plan.rows, plan.new, plan.skipped) == (5, 1, 4)
    entries = await draw(stills, batch, tmp_path / "out")
    assert {one: entry.status for one, entry in entries.items()} == {
        "b": "failed",
        "c": "failed",
        "e": "failed",
        "g": "failed",
        "good": "done",
    }
    assert entries["c"].failure.message == "it needs 'b', which was not drawn"
