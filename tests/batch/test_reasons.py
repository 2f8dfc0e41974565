"""The plan names each shot that is generated, the reason and its price."""

import pytest
from tests.support.batch_run import MODEL, check_list, run_batch, write_list

from stills.batch.estimate import make_estimate
from stills.batch.reasons import PlannedShot
from stills.cli.commands.batch_report import describe_planned
from stills.sandbox import Fault, FaultKind

ROWS = [{"id": "one", "prompt": "one"}, {"id": "two", "prompt": "two", "reference_shot": "one"}]


@pytest.fixture
def plan(stills, tmp_path):
    """Return a function that plans rows: the reasons by id."""

    async def make(*rows, **options):
        batch = check_list(stills, write_list(tmp_path, *rows), **options)
        estimate, _ = await make_estimate(stills, batch, tmp_path / "out")
        assert len(estimate.planned) == estimate.new
        return {one.id: one.reason for one in estimate.planned}

    return make


async def run(stills, tmp_path, *rows):
    await run_batch(stills, check_list(stills, write_list(tmp_path, *rows)), tmp_path / "out")


async def test_every_shot_of_a_first_run_is_new(stills, tmp_path):
    """With its price, in the order of the run."""
    batch = check_list(stills, write_list(tmp_path, *ROWS))
    estimate, _ = await make_estimate(stills, batch, tmp_path / "out")
    assert estimate.planned == (PlannedShot("one", "new", 0.035), PlannedShot("two", "new", 0.035))
    assert list(describe_planned(estimate)) == ["  one: new, 0.035 USD", "  two: new, 0.035 USD"]


async def test_a_finished_folder_needs_nothing(stills, tmp_path, plan):
    """Stored images have no reason to be generated."""
    await run(stills, tmp_path, *ROWS)
    assert await plan(*ROWS) == {}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"prompt": "changed"}, "prompt changed"),
        ({"seed": 7}, "seed changed"),
        ({"style": "ink"}, "style changed"),
        ({"negative_prompt": "text"}, "negative prompt changed"),
    ],
)
async def test_what_changed_is_named(stills, tmp_path, plan, change, reason):
    """A shot that needs the changed one gets a new reference."""
    await run(stills, tmp_path, *ROWS)
    assert await plan(ROWS[0] | change, ROWS[1]) == {"one": reason, "two": "reference changed"}


async def test_other_references_are_a_reason(stills, tmp_path, plan):
    """Also if the shot had none before."""
    await run(stills, tmp_path, *ROWS)
    assert await plan(ROWS[0], {"id": "two", "prompt": "two"}) == {"two": "reference changed"}


async def test_failed_and_unreached_shots_are_named(stills, sandbox, tmp_path, plan):
    """A shot that a failed one kept from being generated failed, too."""
    sandbox.set_faults(Fault(FaultKind.CONTENT_REFUSED, match="one", times=None))
    await run(stills, tmp_path, *ROWS)
    sandbox.set_faults()
    reasons = await plan(*ROWS, {"id": "three", "prompt": "three"})
    assert reasons == {"one": "failed before", "two": "failed before", "three": "new"}


async def test_another_model_is_a_reason(stills, tmp_path, plan):
    """Its images are its own."""
    await run(stills, tmp_path, ROWS[0])
    assert MODEL != "qwen-image-2.0-pro"
    model = stills.model("qwen-image-2.0-pro")
    assert await plan(ROWS[0], model=model) == {"one": "model changed"}


async def test_fresh_images_are_asked_for(stills, tmp_path, plan):
    """The shots that need them get a new reference."""
    await run(stills, tmp_path, *ROWS)
    reasons = await plan(*ROWS, fresh=frozenset(["one"]))
    assert reasons == {"one": "asked for with --fresh", "two": "reference changed"}


async def test_a_damaged_manifest_says_nothing(tmp_path, plan):
    """The plan does not fail on it."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "manifest.jsonl").write_bytes(b"not JSON\n")
    assert await plan(ROWS[0]) == {"one": "new"}
