"""Runs of a batch in this process, on a sandbox."""

import asyncio

import pytest
from tests.support.batch_run import MODEL, check_list, run_batch, run_with_output, write_list

from stills.batch.estimate import make_estimate
from stills.batch.image_files import local_file
from stills.batch.manifest import read_manifest
from stills.batch.output import RunOutput
from stills.batch.preflight import BatchOptions, check
from stills.batch.run import Run
from stills.config import DEFAULT_CONCURRENCY
from stills.contract.errors import OutputRefused
from stills.sandbox import Fault, FaultKind
from stills.shotlist.reader import read_shots
from stills.store import open_store


class CountedList:
    """A shot list that counts the rows read from it."""

    def __init__(self, shot_list):
        self._shot_list = shot_list
        self.rows_read = 0

    def __getattr__(self, name):
        return getattr(self._shot_list, name)

    def __iter__(self):
        for item in self._shot_list:
            self.rows_read += 1
            yield item


async def test_shots_are_generated_after_the_shots_they_need(stills, sandbox, tmp_path):
    """Each is sent with the image of the one it needs; the manifest is in input order."""
    rows = [
        {"id": f"s{n}", "prompt": f"frame {n}", "reference_shot": f"s{n + 1}"} for n in range(5)
    ]
    path = write_list(tmp_path, *rows, {"id": "s5", "prompt": "frame 5"})
    entries = await run_batch(stills, check_list(stills, path), tmp_path / "out")
    assert list(entries) == [f"s{n}" for n in range(6)]
    sent = [send.prompt for send in sandbox.ledger.generations]
    assert sent == [f"frame {n}" for n in (5, 4, 3, 2, 1, 0)]
    assert all("image:data" in send.content for send in sandbox.ledger.generations[1:])


async def test_a_failure_skips_the_shots_that_depend_on_it(stills, sandbox, tmp_path):
    """Each names the shot it needs; other shots are generated."""
    sandbox.set_faults(Fault(FaultKind.CONTENT_REFUSED, match="first", times=None))
    path = write_list(
        tmp_path,
        {"id": "third", "prompt": "c", "reference_shot": "second"},
        {"id": "second", "prompt": "b", "reference_shot": "one"},
        {"id": "one", "prompt": "the first"},
        {"id": "else", "prompt": "d"},
    )
    entries = await run_batch(stills, check_list(stills, path), tmp_path / "out")
    assert "'one'" in entries["second"].failure.message
    assert "'second'" in entries["third"].failure.message
    assert entries["one"].failure.code == "content_refused"
    assert entries["else"].failure is None
    assert sandbox.ledger.billed_images == 1


async def test_a_shot_needs_the_images_of_all_shots_it_names(stills, sandbox, tmp_path):
    """They are sent in its order; if one fails, only the shots that need it are skipped."""
    sandbox.set_faults(Fault(FaultKind.CONTENT_REFUSED, match="refused", times=None))
    one, two = {"id": "one", "prompt": "one"}, {"id": "two", "prompt": "two"}
    path = write_list(
        tmp_path,
        {"id": "both", "prompt": "both", "reference_shot": ["two", "one"]},
        {"id": "none", "prompt": "none", "reference_shot": ["one", "bad"]},
        one,
        two,
        {"id": "bad", "prompt": "refused"},
    )
    entries = await run_batch(stills, check_list(stills, path), tmp_path / "out")
    assert "'bad'" in entries["none"].failure.message
    assert entries["both"].shot.needs == ("two", "one")
    *_, last = sandbox.ledger.generations
    assert last.prompt == "both"
    assert last.content.count("image:data") == 2


async def test_the_order_of_references_is_part_of_the_request(stills, tmp_path):
    """The same images in another order are another image; in the same order they are free."""
    both = {"id": "both", "prompt": "both", "seed": 1, "reference_shot": ["one", "two"]}
    needed = ({"id": "one", "prompt": "one"}, {"id": "two", "prompt": "two"})
    path = write_list(tmp_path, both, *needed)
    await run_batch(stills, check_list(stills, path), tmp_path / "out")
    turned = both | {"id": "turned", "reference_shot": ["two", "one"]}
    path = write_list(tmp_path, both | {"id": "same"}, turned, *needed)
    estimate, _ = await make_estimate(stills, check_list(stills, path), tmp_path / "new")
    assert (estimate.kept, estimate.new) == (3, 1)


async def test_a_call_that_two_shots_share_counts_once_towards_the_cap(stills, sandbox, tmp_path):
    """It fails for both, and its cost leaves room for a third shot."""
    path = write_list(
        tmp_path,
        *({"id": name, "prompt": "a kite", "seed": 7} for name in ("one", "same")),
        {"id": "else", "prompt": "a boat", "seed": 7},
    )
    sandbox.set_faults(
        Fault(FaultKind.SLOW, delay_seconds=0.3),
        Fault(FaultKind.DEAD_URL, match="kite", times=None),
    )
    entries = await run_batch(stills, check_list(stills, path, max_cost_usd=0.07), tmp_path / "out")
    assert sandbox.ledger.billed_images == 2
    assert entries["else"].failure is None
    failures = [entries[name].failure for name in ("one", "same")]
    assert [failure.code for failure in failures] == ["link_dead"] * 2
    assert sorted(failure.billing for failure in failures) == ["billed", "none"]


async def test_a_run_never_exceeds_its_cap(stills, sandbox, tmp_path):
    """Shots over the cap are not sent; stored images are free."""
    path = write_list(tmp_path, *({"id": f"s{n}", "prompt": f"frame {n}"} for n in range(10)))
    first = await run_batch(
        stills, check_list(stills, path, max_cost_usd=0.035 * 4), tmp_path / "out"
    )
    failures = [entry.failure.code for entry in first.values() if entry.failure]
    assert failures == ["budget_exceeded"] * 6
    assert sandbox.ledger.billed_images == 4
    again = await run_batch(
        stills, check_list(stills, path, max_cost_usd=0.035 * 4), tmp_path / "out"
    )
    assert sum(entry.failure is None for entry in again.values()) == 8
    assert sandbox.ledger.billed_images == 8


async def test_a_cap_counts_each_image_at_its_own_price(stills, sandbox, tmp_path):
    """An image that is too expensive fails; a cheaper one after it still fits, to the last cent."""
    path = write_list(
        tmp_path,
        {"id": "small", "prompt": "a"},
        {"id": "large", "prompt": "b", "size": "2048*2048"},
        {"id": "after", "prompt": "c", "reference_shot": "small"},
        {"id": "last", "prompt": "d"},
    )
    model = stills.model("qwen-image-3.0-pro")
    batch = check_list(stills, path, model=model, max_cost_usd=0.083)
    output = await run_with_output(stills, batch, tmp_path / "out")
    entries = {entry.shot.id: entry for entry in read_manifest(tmp_path / "out/manifest.jsonl")}
    failed = {name for name, entry in entries.items() if entry.failure}
    assert failed == {"large", "last"}
    assert "at 0.075 USD it could exceed" in entries["large"].failure.message
    assert output.totals.usd == 0.083
    assert sandbox.ledger.billed_images == 2


async def test_a_cap_knows_the_price_of_an_automatic_size(stills, sandbox, tmp_path):
    """It follows the reference, which must exist before the price is known."""
    path = write_list(
        tmp_path,
        {"id": "wide", "prompt": "a", "size": "1024*256"},
        {"id": "after", "prompt": "b", "size": "auto", "reference_shot": "wide"},
    )
    model = stills.model("qwen-image-3.0-pro")
    batch = check_list(stills, path, model=model, max_cost_usd=0.083)
    output = await run_with_output(stills, batch, tmp_path / "out")
    assert (output.totals.made, output.totals.usd) == (2, 0.083)
    assert [send.parameters["size"] for send in sandbox.ledger.generations] == [
        "1024*256",
        "2048*512",
    ]


async def test_under_a_cap_a_stored_image_of_unknown_price_is_free(stills, sandbox, tmp_path):
    """Nothing is sent for it, so its price doesn't matter; a new one is refused."""
    model = stills.model("qwen-image-2.1-turbo")
    old = {"id": "old", "prompt": "a", "seed": 1}
    path = write_list(tmp_path, old)
    output = await run_with_output(
        stills, check_list(stills, path, model=model), tmp_path / "first"
    )
    assert (output.totals.usd, output.totals.unpriced) == (0.0, 1)
    path = write_list(tmp_path, old, {"id": "new", "prompt": "b"})
    batch = check_list(stills, path, model=model, max_cost_usd=9.0)
    entries = await run_batch(stills, batch, tmp_path / "second")
    assert entries["old"].failure is None
    assert "the price of qwen-image-2.1-turbo is unknown" in entries["new"].failure.message
    assert sandbox.ledger.billed_images == 1


async def test_rows_are_read_as_they_are_needed(stills, tmp_path):
    """A long list is never in memory as a whole."""
    path = write_list(tmp_path, *({"id": f"s{n}", "prompt": f"frame {n}"} for n in range(400)))
    shot_list = CountedList(read_shots(path))
    batch = check(shot_list, BatchOptions(stills.model(MODEL)))
    shot_list.rows_read = 0
    stop = asyncio.Event()
    output = RunOutput(tmp_path / "out", batch.names, lambda *_: stop.set())
    run = Run(stills, batch, output, stop)
    await run.generate()
    assert shot_list.rows_read < 200
    run.add_pending()
    output.close()
    statuses = [entry.status for entry in read_manifest(tmp_path / "out" / "manifest.jsonl")]
    assert len(statuses) == 400
    assert statuses.count("done") < 100


async def test_images_of_a_remote_store_are_saved_and_used_as_references(make_stills, tmp_path):
    """They can't be linked, so they are downloaded."""

    class Remote:
        def __init__(self, store):
            self._store = store

        def __getattr__(self, name):
            return getattr(self._store, name)

        def url(self, path):
            return f"s3://bucket/{path}"

        async def links(self, paths):
            return [self.url(path) for path in paths]

    stills = await make_stills(store=Remote(open_store(str(tmp_path / "images"))))
    path = write_list(
        tmp_path, {"id": "b", "prompt": "b", "reference_shot": "a"}, {"id": "a", "prompt": "a"}
    )
    entries = await run_batch(stills, check_list(stills, path), tmp_path / "out")
    assert entries["a"].result.image_url.startswith("s3://")
    assert entries["b"].failure is None
    assert (tmp_path / "out" / entries["b"].file).read_bytes().startswith(b"\x89PNG")


async def test_an_output_folder_that_cannot_be_written_is_refused(stills, sandbox, tmp_path):
    """The run ends before anything is sent."""
    (tmp_path / "out").write_text("a file")
    batch = check_list(stills, write_list(tmp_path, {"id": "a", "prompt": "a"}))
    with pytest.raises(OutputRefused):
        await run_batch(stills, batch, tmp_path / "out")
    assert not sandbox.ledger.generations


async def test_a_file_that_cannot_be_written_fails_only_its_shot(stills, tmp_path):
    """Its image is stored, and the next run writes the file."""
    (tmp_path / "out" / "images" / "a.png").mkdir(parents=True)
    path = write_list(tmp_path, {"id": "a", "prompt": "a"}, {"id": "b", "prompt": "b"})
    entries = await run_batch(stills, check_list(stills, path), tmp_path / "out")
    assert entries["a"].failure.code == "output_refused"
    assert entries["b"].failure is None
    (tmp_path / "out" / "images" / "a.png").rmdir()
    again = await run_batch(stills, check_list(stills, path), tmp_path / "out")
    assert again["a"].result.cached


async def test_a_file_that_cannot_be_written_is_reported_with_its_cost(stills, tmp_path):
    """Its image is in the totals if it was billed, and the manifest has its URL in the store."""
    (tmp_path / "out" / "images" / "a.png").mkdir(parents=True)
    batch = check_list(
        stills, write_list(tmp_path, {"id": "a", "prompt": "a"}, {"id": "b", "prompt": "b"})
    )
    for paid, billing in ((2, "billed"), (0, "none")):
        totals = (await run_with_output(stills, batch, tmp_path / "out")).totals
        assert (totals.made, totals.from_catalog, totals.failed) == (paid // 2, 1 - paid // 2, 1)
        assert (totals.usd, totals.possible) == (pytest.approx(0.035 * paid), 0)
        entries = {one.shot.id: one for one in read_manifest(tmp_path / "out" / "manifest.jsonl")}
        assert entries["a"].status == "failed"
        assert entries["a"].failure.billing == billing
        assert local_file(entries["a"].result.image_url).is_file()
        assert entries["a"].file is None


async def test_the_totals_have_the_cost_of_every_request(stills, sandbox, tmp_path):
    """Two connections are lost, and one link is dead."""
    sandbox.set_faults(
        Fault(FaultKind.DROP_AFTER, match="once"),
        Fault(FaultKind.DROP_AFTER, match="always", times=None),
        Fault(FaultKind.DEAD_URL, match="dead", times=None),
    )
    prompts = ("lost once", "lost always", "a dead link", "fine")
    batch = check_list(
        stills, write_list(tmp_path, *({"id": one, "prompt": one} for one in prompts))
    )
    totals = (await run_with_output(stills, batch, tmp_path / "out")).totals
    assert (totals.made, totals.failed) == (1, 3)
    assert (totals.usd, totals.possible) == (pytest.approx(2 * 0.035), 2)
    (line,) = await stills.spend()
    assert (line.billed, line.possible) == (2, 2)


async def test_a_failed_shot_has_no_older_image_under_its_name(stills, sandbox, tmp_path):
    """It could be mistaken for the new one; the store still has it."""
    path = write_list(tmp_path, {"id": "a", "prompt": "a red kite"}, {"id": "b", "prompt": "b"})
    before = await run_batch(stills, check_list(stills, path), tmp_path / "out")
    sandbox.set_faults(Fault(FaultKind.CONTENT_REFUSED, match="blue", times=None))
    path = write_list(tmp_path, {"id": "a", "prompt": "a blue kite"}, {"id": "c", "prompt": "c"})
    after = await run_batch(stills, check_list(stills, path), tmp_path / "out")
    assert after["a"].status == "failed"
    left = {file.name for file in (tmp_path / "out" / "images").iterdir()}
    assert left == {"b.png", "c.png"}
    assert local_file(before["a"].result.image_url).is_file()


async def test_fresh_shots_count_towards_the_concurrency_limit(stills, sandbox, tmp_path):
    """No more requests wait for the service than the configuration allows."""
    sandbox.set_faults(Fault(FaultKind.SLOW, times=None, delay_seconds=0.2))
    rows = [{"id": f"s{n}", "prompt": f"frame {n}"} for n in range(5 * DEFAULT_CONCURRENCY)]
    fresh = frozenset(row["id"] for row in rows[::2])
    batch = check_list(stills, write_list(tmp_path, *rows), fresh=fresh)
    running = asyncio.create_task(run_batch(stills, batch, tmp_path / "out"))
    at_service = []
    while not running.done():
        at_service.append(sum(not send.finished for send in sandbox.ledger.generations))
        await asyncio.sleep(0.01)
    assert all(entry.result for entry in (await running).values())
    assert max(at_service) == DEFAULT_CONCURRENCY


async def test_a_stored_image_can_be_a_reference_by_its_id(stills, sandbox, tmp_path):
    """It need not be in the output folder, nor be the image of a shot."""
    first = await run_batch(
        stills, check_list(stills, write_list(tmp_path, {"id": "a", "prompt": "a"})), tmp_path / "a"
    )
    image_id = first["a"].result.id
    row = {"id": "b", "prompt": "b", "reference_images": [image_id, f"stills://images/{image_id}"]}
    batch = check_list(stills, write_list(tmp_path, row))
    entries = await run_batch(stills, batch, tmp_path / "b")
    assert [one.image for one in entries["b"].shot.references] == row["reference_images"]
    assert sandbox.ledger.generations[-1].content.count("image:data") == 2
