"""Runs that skip the shots that an earlier run finished."""

from tests.support.batch_run import check_list, run_batch, write_list

from stills.batch.estimate import make_estimate
from stills.batch.manifest import read_done, read_manifest
from stills.sandbox import Fault, FaultKind


async def run_again(stills, folder, path, **options):
    """Run the shots that `folder` does not have as done; return the estimate and the manifest."""
    batch = check_list(stills, path, previous=read_done(folder, stills.provider), **options)
    estimate, batch = await make_estimate(stills, batch, folder)
    return estimate, await run_batch(stills, batch, folder)


def read(folder):
    return {entry.shot.id: entry for entry in read_manifest(folder / "manifest.jsonl")}


async def test_failed_and_new_shots_are_generated(stills, sandbox, tmp_path):
    """Done shots are skipped, and not even looked up."""
    sandbox.set_faults(Fault(FaultKind.CONTENT_REFUSED, match="two", times=None))
    rows = [{"id": "one", "prompt": "one"}, {"id": "two", "prompt": "two"}]
    before = await run_batch(
        stills, check_list(stills, write_list(tmp_path, *rows)), tmp_path / "out"
    )
    sandbox.set_faults()
    path = write_list(tmp_path, *rows, {"id": "three", "prompt": "three"})
    estimate, entries = await run_again(stills, tmp_path / "out", path)
    assert (estimate.rows, estimate.new, estimate.kept) == (3, 2, 0)
    assert entries["one"] == before["one"]
    assert not entries["one"].result.cached
    assert all(entry.result for entry in entries.values())
    assert sandbox.ledger.billed_images == 3


async def test_a_changed_shot_is_generated(stills, sandbox, tmp_path):
    """Its old image does not match the new prompt."""
    path = write_list(
        tmp_path, {"id": "one", "prompt": "a red kite"}, {"id": "two", "prompt": "two"}
    )
    before = await run_batch(stills, check_list(stills, path), tmp_path / "out")
    path = write_list(
        tmp_path, {"id": "one", "prompt": "a blue kite"}, {"id": "two", "prompt": "two"}
    )
    estimate, entries = await run_again(stills, tmp_path / "out", path)
    assert (estimate.rows, estimate.new) == (2, 1)
    assert entries["one"].shot.request.prompt == "a blue kite"
    assert entries["one"].result.id != before["one"].result.id
    assert entries["two"] == before["two"]
    assert [send.prompt for send in sandbox.ledger.generations][2:] == ["a blue kite"]


async def test_dependents_of_a_changed_shot_are_generated(stills, sandbox, tmp_path):
    """Direct ones or not; dependents of an unchanged shot are skipped."""
    rows = [
        {"id": "c", "prompt": "c", "reference_shot": "b"},
        {"id": "b", "prompt": "b", "reference_shot": "a"},
        {"id": "e", "prompt": "e", "reference_shot": "d"},
        {"id": "d", "prompt": "d"},
    ]
    path = write_list(tmp_path, *rows, {"id": "a", "prompt": "old"})
    before = await run_batch(stills, check_list(stills, path), tmp_path / "out")
    path = write_list(tmp_path, *rows, {"id": "a", "prompt": "new"})
    estimate, entries = await run_again(stills, tmp_path / "out", path)
    assert (estimate.rows, estimate.new) == (5, 3)
    assert sandbox.ledger.billed_images == 7  # the sandbox returns the same b, so c is stored
    assert {name for name in entries if entries[name] == before[name]} == {"d", "e"}


async def test_reference_images_are_compared_by_content(stills, tmp_path):
    """The same file name may have a new image; the same image is free."""
    rows = [{"id": "d", "prompt": "d"}]
    await run_batch(stills, check_list(stills, write_list(tmp_path, *rows)), tmp_path / "made")
    made = tmp_path / "made" / "images" / "d.png"
    row = {"id": "a", "prompt": "a", "reference_image": "one.png"}
    (tmp_path / "one.png").write_bytes(made.read_bytes())
    path = write_list(tmp_path, row)
    before = await run_batch(stills, check_list(stills, path), tmp_path / "out")
    estimate, same = await run_again(stills, tmp_path / "out", path)
    assert (estimate.new, estimate.kept) == (0, 1)
    assert same["a"].result.id == before["a"].result.id
    (tmp_path / "one.png").write_bytes((tmp_path / "out" / "images" / "a.png").read_bytes())
    estimate, entries = await run_again(stills, tmp_path / "out", path)
    assert (estimate.new, estimate.kept) == (1, 0)
    assert entries["a"].result.id != before["a"].result.id


async def test_a_shot_without_its_file_is_written_again_free(stills, sandbox, tmp_path):
    """The image is in the store; a manifest must not name a missing file."""
    path = write_list(tmp_path, {"id": "one", "prompt": "one"}, {"id": "two", "prompt": "two"})
    before = await run_batch(stills, check_list(stills, path), tmp_path / "out")
    (tmp_path / "out" / before["one"].file).unlink()
    estimate, entries = await run_again(stills, tmp_path / "out", path)
    assert (estimate.rows, estimate.new, estimate.kept) == (2, 0, 1)
    assert (tmp_path / "out" / entries["one"].file).is_file()
    assert entries["one"].result.cached
    assert entries["two"] == before["two"]
    assert sandbox.ledger.billed_images == 2


async def test_shots_of_another_provider_are_not_done(stills, tmp_path):
    """Placeholders from the sandbox do not count for a real run."""
    path = write_list(tmp_path, {"id": "one", "prompt": "one"})
    await run_batch(stills, check_list(stills, path), tmp_path / "out")
    assert stills.provider == "sandbox"
    assert list(read_done(tmp_path / "out", "sandbox")) == ["one"]
    assert not read_done(tmp_path / "out", "dashscope")


async def test_fresh_shots_are_generated_even_if_they_are_done(stills, sandbox, tmp_path):
    """Their dependents are generated as well."""
    path = write_list(
        tmp_path,
        {"id": "a", "prompt": "a"},
        {"id": "b", "prompt": "b", "reference_shot": "a"},
        {"id": "c", "prompt": "c"},
    )
    before = await run_batch(stills, check_list(stills, path), tmp_path / "out")
    estimate, entries = await run_again(stills, tmp_path / "out", path, fresh=frozenset("a"))
    assert (estimate.rows, estimate.new) == (3, 2)
    assert not entries["a"].result.cached
    assert entries["a"].result.id != before["a"].result.id
    assert entries["c"] == before["c"]
    assert sandbox.ledger.billed_images == 4  # the sandbox returns the same a, so b is stored
