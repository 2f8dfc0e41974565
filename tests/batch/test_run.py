"""A run in this process, on a sandbox."""

import asyncio

import pytest
from tests.support.batch_run import draw, survey, write

from stills.batch.image_files import kept_file
from stills.batch.manifest import read_manifest
from stills.batch.output import RunOutput
from stills.batch.preflight import Batch, BatchOptions
from stills.batch.run import Run
from stills.config import DEFAULT_CONCURRENCY
from stills.contract.errors import InvalidRequest, OutputRefused
from stills.sandbox import Fault, FaultKind
from stills.shotlist.reader import read_shots
from stills.store import open_store


async def test_a_chain_of_shots_is_drawn_in_its_order(stills, sandbox, tmp_path):
    """Each is sent with the image of the one before; the manifest keeps the input's order."""
    rows = [
        {"id": f"s{n}", "prompt": f"frame {n}", "reference_shot": f"s{n + 1}"} for n in range(5)
    ]
    path = write(tmp_path, *rows, {"id": "s5", "prompt": "frame 5"})
    entries = await draw(stills, survey(stills, path), tmp_path / "out")
    assert list(entries) == [f"s{n}" for n in range(6)]
    sent = [send.prompt for send in sandbox.ledger.generations]
    assert sent == [f"frame {n}" for n in (5, 4, 3, 2, 1, 0)]
    assert all("image:data" in send.content for send in sandbox.ledger.generations[1:])


async def test_a_failure_takes_the_rest_of_its_chain_down(stills, sandbox, tmp_path):
    """Each says which one it needs; others go on."""
    sandbox.set_faults(Fault(FaultKind.CONTENT_REFUSED, match="first", times=None))
    path = write(
        tmp_path,
        {"id": "third", "prompt": "c", "reference_shot": "second"},
        {"id": "second", "prompt": "b", "reference_shot": "one"},
        {"id": "one", "prompt": "the first"},
        {"id": "else", "prompt": "d"},
    )
    entries = await draw(stills, survey(stills, path), tmp_path / "out")
    assert "'one'" in entries["second"].failure.message
    assert "'second'" in entries["third"].failure.message
    assert entries["one"].failure.code == "content_refused"
    assert entries["else"].failure is None
    assert sandbox.ledger.billed_images == 1


async def test_a_call_that_two_shots_share_counts_once_towards_the_cap(stills, sandbox, tmp_path):
    """It fails for both; what it cost leaves room for a third shot."""
    path = write(
        tmp_path,
        *({"id": name, "prompt": "a kite", "seed": 7} for name in ("one", "same")),
        {"id": "else", "prompt": "a boat", "seed": 7},
    )
    sandbox.set_faults(
        Fault(FaultKind.SLOW, delay_seconds=0.3),
        Fault(FaultKind.DEAD_URL, match="kite", times=None),
    )
    entries = await draw(stills, survey(stills, path, max_cost_usd=0.07), tmp_path / "out")
    assert sandbox.ledger.billed_images == 2
    assert entries["else"].failure is None
    failures = [entries[name].failure for name in ("one", "same")]
    assert [failure.code for failure in failures] == ["link_dead"] * 2
    assert sorted(failure.billing for failure in failures) == ["billed", "none"]


async def test_a_run_never_passes_its_cap(stills, sandbox, tmp_path):
    """However the plan came out: what does not fit is not sent, what is kept is free."""
    path = write(tmp_path, *({"id": f"s{n}", "prompt": f"frame {n}"} for n in range(10)))
    first = await draw(stills, survey(stills, path, max_cost_usd=0.035 * 4), tmp_path / "out")
    failures = [entry.failure.code for entry in first.values() if entry.failure]
    assert failures == ["budget_exceeded"] * 6
    assert sandbox.ledger.billed_images == 4
    again = await draw(stills, survey(stills, path, max_cost_usd=0.035 * 4), tmp_path / "out")
    assert sum(entry.failure is None for entry in again.values()) == 8
    assert sandbox.ledger.billed_images == 8


async def test_rows_are_read_as_they_are_drawn(stills, tmp_path, monkeypatch):
    """A long list does not lie in memory."""
    path = write(tmp_path, *({"id": f"s{n}", "prompt": f"frame {n}"} for n in range(400)))
    batch = survey(stills, path)
    read = 0
    shots = batch.shots

    def counted():
        nonlocal read
        for row in shots():
            read += 1
            yield row

    monkeypatch.setattr(batch, "shots", counted)
    stop = asyncio.Event()
    record = RunOutput(tmp_path / "out", batch.names, lambda *_: stop.set())
    run = Run(stills, batch, record, stop)
    await run.draw()
    assert read < 200
    run.note_pending()
    record.close(batch.title)
    statuses = [entry.status for entry in read_manifest(tmp_path / "out" / "manifest.jsonl")]
    assert len(statuses) == 400
    assert statuses.count("done") < 100


async def test_images_of_a_remote_store_are_saved_and_used_as_references(make_stills, tmp_path):
    """Where nothing can be linked, it is downloaded."""

    class Remote:
        def __init__(self, store):
            self._store = store

        def __getattr__(self, name):
            return getattr(self._store, name)

        def url(self, path):
            return f"s3://bucket/{path}"

    stills = await make_stills(store=Remote(open_store(str(tmp_path / "images"))))
    path = write(
        tmp_path, {"id": "b", "prompt": "b", "reference_shot": "a"}, {"id": "a", "prompt": "a"}
    )
    entries = await draw(stills, survey(stills, path), tmp_path / "out")
    assert entries["a"].result.image_url.startswith("s3://")
    assert entries["b"].failure is None
    assert (tmp_path / "out" / entries["b"].file).read_bytes().startswith(b"\x89PNG")


async def test_a_folder_that_can_t_be_written_ends_the_run(stills, sandbox, tmp_path):
    """Before anything is sent."""
    (tmp_path / "out").write_text("a file")
    batch = survey(stills, write(tmp_path, {"id": "a", "prompt": "a"}))
    with pytest.raises(OutputRefused):
        await draw(stills, batch, tmp_path / "out")
    assert not sandbox.ledger.generations


async def test_an_image_that_can_t_be_placed_fails_its_shot_alone(stills, tmp_path):
    """It is kept, and the next run places it."""
    (tmp_path / "out" / "images" / "a.png").mkdir(parents=True)
    path = write(tmp_path, {"id": "a", "prompt": "a"}, {"id": "b", "prompt": "b"})
    entries = await draw(stills, survey(stills, path), tmp_path / "out")
    assert entries["a"].failure.code == "output_refused"
    assert entries["b"].failure is None
    (tmp_path / "out" / "images" / "a.png").rmdir()
    again = await draw(stills, survey(stills, path), tmp_path / "out")
    assert again["a"].result.cached


async def test_an_image_that_can_t_be_placed_is_told_with_what_it_cost(stills, tmp_path):
    """It was paid for: the sums have it, the manifest says so, and where it is kept."""
    (tmp_path / "out" / "images" / "a.png").mkdir(parents=True)
    batch = survey(stills, write(tmp_path, {"id": "a", "prompt": "a"}, {"id": "b", "prompt": "b"}))
    for paid, billing in ((2, "billed"), (0, "none")):
        record = RunOutput(tmp_path / "out", batch.names, lambda *_: None)
        await Run(stills, batch, record, asyncio.Event()).draw()
        record.close(batch.title)
        tally = record.tally
        assert (tally.made, tally.from_catalog, tally.failed) == (paid // 2, 1 - paid // 2, 1)
        assert (tally.usd, tally.possible) == (pytest.approx(0.035 * paid), 0)
        entries = {one.shot.id: one for one in read_manifest(tmp_path / "out" / "manifest.jsonl")}
        assert entries["a"].status == "failed"
        assert entries["a"].failure.billing == billing
        assert kept_file(entries["a"].result.image_url).is_file()
        assert entries["a"].file is None


async def test_the_sums_have_the_money_of_every_send(stills, sandbox, tmp_path):
    """Of two that were lost, and of a dead link."""
    sandbox.set_faults(
        Fault(FaultKind.DROP_AFTER, match="once"),
        Fault(FaultKind.DROP_AFTER, match="always", times=None),
        Fault(FaultKind.DEAD_URL, match="dead", times=None),
    )
    prompts = ("lost once", "lost always", "a dead link", "fine")
    batch = survey(stills, write(tmp_path, *({"id": one, "prompt": one} for one in prompts)))
    record = RunOutput(tmp_path / "out", batch.names, lambda *_: None)
    await Run(stills, batch, record, asyncio.Event()).draw()
    record.close(batch.title)
    assert (record.tally.made, record.tally.failed) == (1, 3)
    assert (record.tally.usd, record.tally.possible) == (pytest.approx(2 * 0.035), 2)
    (line,) = await stills.spend()
    assert (line.billed, line.possible) == (2, 2)


async def test_a_shot_that_fails_leaves_no_older_image_under_its_name(stills, sandbox, tmp_path):
    """What goes by file names would take it for the new one; the store has it still."""
    path = write(tmp_path, {"id": "a", "prompt": "a red kite"}, {"id": "b", "prompt": "b"})
    before = await draw(stills, survey(stills, path), tmp_path / "out")
    sandbox.set_faults(Fault(FaultKind.CONTENT_REFUSED, match="blue", times=None))
    path = write(tmp_path, {"id": "a", "prompt": "a blue kite"}, {"id": "c", "prompt": "c"})
    after = await draw(stills, survey(stills, path), tmp_path / "out")
    assert after["a"].status == "failed"
    left = {file.name for file in (tmp_path / "out" / "images").iterdir()}
    assert left == {"b.png", "c.png"}
    assert kept_file(before["a"].result.image_url).is_file()


async def test_fresh_shots_share_the_places_of_all_others(stills, sandbox, tmp_path):
    """No more wait for the service than the environment allows."""
    sandbox.set_faults(Fault(FaultKind.SLOW, times=None, delay_seconds=0.2))
    rows = [{"id": f"s{n}", "prompt": f"frame {n}"} for n in range(5 * DEFAULT_CONCURRENCY)]
    fresh = frozenset(row["id"] for row in rows[::2])
    batch = survey(stills, write(tmp_path, *rows), fresh=fresh)
    drawing = asyncio.create_task(draw(stills, batch, tmp_path / "out"))
    at_service = []
    while not drawing.done():
        at_service.append(sum(not send.finished for send in sandbox.ledger.generations))
        await asyncio.sleep(0.01)
    assert all(entry.result for entry in (await drawing).values())
    assert max(at_service) == DEFAULT_CONCURRENCY


def test_fresh_names_must_be_shots(stills, tmp_path):
    """A slip would pay for nothing, or not for what was meant."""
    path = write(tmp_path, {"id": "sea", "prompt": "a"}, {"id": "harbour", "prompt": "a"})
    with pytest.raises(InvalidRequest, match="harbor") as caught:
        survey(stills, path, fresh=frozenset({"harbor"}))
    assert "Did you mean harbour" in caught.value.action


def test_a_fresh_portrait_must_be_one_that_is_drawn(stills, tmp_path):
    """Where the cast is described in the prompts, nobody would pay for one, and nobody be told."""
    path = tmp_path / "film.yaml"
    path.write_text(
        "size: 512*512\ncast: {anna: a tall woman}\nshots: [{prompt: the sea, cast: anna}]"
    )
    fresh = frozenset({"cast-anna"})
    assert survey(stills, path, fresh=fresh).needed == {"cast-anna"}
    model = stills.model("qwen-image-max")
    batch = Batch(read_shots(path), BatchOptions(model, fresh=fresh))
    with pytest.raises(InvalidRequest, match="no portrait is drawn under 'cast-anna'"):
        batch.survey()
