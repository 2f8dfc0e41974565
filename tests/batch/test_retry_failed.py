"""Drawing again what is not done, after the list was edited."""

from tests.support.batch_run import draw, survey, write

from stills.batch.estimate import make_plan
from stills.batch.manifest import read_done, read_manifest
from stills.sandbox import Fault, FaultKind


async def again(stills, folder, path, **choices):
    """Plan and draw what `folder` does not have as done, and give the plan and the manifest."""
    batch = survey(stills, path, last=read_done(folder, stills.provider), **choices)
    return await make_plan(stills, batch, folder), await draw(stills, batch, folder)


def read(folder):
    return {entry.shot.id: entry for entry in read_manifest(folder / "manifest.jsonl")}


async def test_what_failed_and_what_is_new_is_drawn(stills, sandbox, tmp_path):
    """The rest is left as it is, and not even looked up."""
    sandbox.set_faults(Fault(FaultKind.CONTENT_REFUSED, match="two", times=None))
    rows = [{"id": "one", "prompt": "one"}, {"id": "two", "prompt": "two"}]
    before = await draw(stills, survey(stills, write(tmp_path, *rows)), tmp_path / "out")
    sandbox.set_faults()
    path = write(tmp_path, *rows, {"id": "three", "prompt": "three"})
    plan, entries = await again(stills, tmp_path / "out", path)
    assert (plan.rows, plan.new, plan.kept) == (3, 2, 0)
    assert entries["one"] == before["one"]
    assert not entries["one"].result.cached
    assert all(entry.result for entry in entries.values())
    assert sandbox.ledger.billed_images == 3


async def test_a_shot_whose_request_has_changed_is_drawn(stills, sandbox, tmp_path):
    """The old image is not shown as that of the new words."""
    path = write(tmp_path, {"id": "one", "prompt": "a red kite"}, {"id": "two", "prompt": "two"})
    before = await draw(stills, survey(stills, path), tmp_path / "out")
    path = write(tmp_path, {"id": "one", "prompt": "a blue kite"}, {"id": "two", "prompt": "two"})
    plan, entries = await again(stills, tmp_path / "out", path)
    assert (plan.rows, plan.new) == (2, 1)
    assert entries["one"].shot.request.prompt == "a blue kite"
    assert entries["one"].result.id != before["one"].result.id
    assert entries["two"] == before["two"]
    assert [send.prompt for send in sandbox.ledger.generations][2:] == ["a blue kite"]


async def test_what_hangs_on_a_changed_image_is_drawn_as_well(stills, sandbox, tmp_path):
    """Through any number of shots; what hangs on an unchanged one is left as it is."""
    rows = [
        {"id": "c", "prompt": "c", "reference_shot": "b"},
        {"id": "b", "prompt": "b", "reference_shot": "a"},
        {"id": "e", "prompt": "e", "reference_shot": "d"},
        {"id": "d", "prompt": "d"},
    ]
    path = write(tmp_path, *rows, {"id": "a", "prompt": "old"})
    before = await draw(stills, survey(stills, path), tmp_path / "out")
    path = write(tmp_path, *rows, {"id": "a", "prompt": "new"})
    plan, entries = await again(stills, tmp_path / "out", path)
    assert (plan.rows, plan.new) == (5, 3)
    assert sandbox.ledger.billed_images == 7  # the sandbox draws b as before, so c is kept
    assert {name for name in entries if entries[name] == before[name]} == {"d", "e"}


async def test_a_reference_of_its_own_is_compared_by_what_is_in_it(stills, tmp_path):
    """Under the same name another image may lie; the same one costs nothing."""
    rows = [{"id": "d", "prompt": "d"}]
    await draw(stills, survey(stills, write(tmp_path, *rows)), tmp_path / "made")
    made = tmp_path / "made" / "images" / "d.png"
    row = {"id": "a", "prompt": "a", "reference_image": "one.png"}
    (tmp_path / "one.png").write_bytes(made.read_bytes())
    path = write(tmp_path, row)
    before = await draw(stills, survey(stills, path), tmp_path / "out")
    plan, same = await again(stills, tmp_path / "out", path)
    assert (plan.new, plan.kept) == (0, 1)
    assert same["a"].result.id == before["a"].result.id
    (tmp_path / "one.png").write_bytes((tmp_path / "out" / "images" / "a.png").read_bytes())
    plan, entries = await again(stills, tmp_path / "out", path)
    assert (plan.new, plan.kept) == (1, 0)
    assert entries["a"].result.id != before["a"].result.id


async def test_a_shot_whose_file_is_gone_is_drawn_again_for_nothing(stills, sandbox, tmp_path):
    """It is kept in the store; a manifest must not name a file that is not there."""
    path = write(tmp_path, {"id": "one", "prompt": "one"}, {"id": "two", "prompt": "two"})
    before = await draw(stills, survey(stills, path), tmp_path / "out")
    (tmp_path / "out" / before["one"].file).unlink()
    plan, entries = await again(stills, tmp_path / "out", path)
    assert (plan.rows, plan.new, plan.kept) == (2, 0, 1)
    assert (tmp_path / "out" / entries["one"].file).is_file()
    assert entries["one"].result.cached
    assert entries["two"] == before["two"]
    assert sandbox.ledger.billed_images == 2


async def test_what_another_provider_made_is_drawn(stills, tmp_path):
    """The slates of a rehearsal on the sandbox are no images of the film."""
    path = write(tmp_path, {"id": "one", "prompt": "one"})
    await draw(stills, survey(stills, path), tmp_path / "out")
    assert stills.provider == "sandbox"
    assert list(read_done(tmp_path / "out", "sandbox")) == ["one"]
    assert not read_done(tmp_path / "out", "dashscope")


async def test_fresh_shots_are_drawn_however_well_they_were_done(stills, sandbox, tmp_path):
    """With what hangs on their images."""
    path = write(
        tmp_path,
        {"id": "a", "prompt": "a"},
        {"id": "b", "prompt": "b", "reference_shot": "a"},
        {"id": "c", "prompt": "c"},
    )
    before = await draw(stills, survey(stills, path), tmp_path / "out")
    plan, entries = await again(stills, tmp_path / "out", path, fresh=frozenset("a"))
    assert (plan.rows, plan.new) == (3, 2)
    assert not entries["a"].result.cached
    assert entries["a"].result.id != before["a"].result.id
    assert entries["c"] == before["c"]
    assert sandbox.ledger.billed_images == 4  # the sandbox draws a as before, so b is kept
