"""Runs of a review, on a sandbox."""

import asyncio
from dataclasses import replace

import pytest
from tests.support.batch_run import MODEL, check_list, run_batch, write_list
from tests.support.boards import decide, find, put

from stills.batch.estimate import make_estimate
from stills.batch.manifest import ManifestWriter, read_manifest
from stills.batch.output import RunOutput
from stills.batch.preflight import BatchOptions
from stills.batch.run import Run
from stills.contract.errors import InvalidRequest
from stills.review import marking
from stills.review.board import read_board
from stills.review.records import NewReference
from stills.review.retake_plan import confirm_requests, plan_retakes
from stills.sandbox import Fault, FaultKind
from stills.shotlist.shots import ShotReference

KITE = {"id": "kite", "prompt": "a red kite", "takes": 2}
BOAT = {"id": "boat", "prompt": "a blue boat", "dialogue": "Ahoy!", "duration": 2}


@pytest.fixture
async def folder(stills, tmp_path):
    """A finished board of two shots, one with two takes."""
    await run_batch(stills, check_list(stills, write_list(tmp_path, KITE, BOAT)), tmp_path / "out")
    return tmp_path / "out"


def plan(stills, folder):
    return plan_retakes(read_board(folder), BatchOptions(model=stills.model(MODEL)))


def ask(folder, shot_id, label, **more):
    board = read_board(folder)
    found = board.find(shot_id)
    put(folder, shot_id, marking.request_take(board, found, found.find_take(label), **more))


async def run_review(stills, folder):
    made = plan(stills, folder)
    confirm_requests(made)
    return await run_batch(stills, made, folder)


async def test_a_review_generates_what_it_asks_for_and_nothing_else(stills, sandbox, folder):
    """One take with another prompt, one in place of a rejected one; everything else stays."""
    before = {entry.shot.id: entry for entry in read_manifest(folder / "manifest.jsonl")}
    ask(folder, "boat", "1", prompt="a green boat", seed=9)
    decide(folder, "kite", marking.reject, find(folder, "kite", "2")[1])
    estimate, _ = await make_estimate(stills, plan(stills, folder), folder)
    assert [one.id for one in estimate.planned] == ["kite-r1", "boat-r1"]
    after = await run_review(stills, folder)
    assert sandbox.ledger.billed_images == 5
    assert list(after) == ["kite", "kite-2", "boat", "kite-r1", "boat-r1"]
    assert {one: after[one] for one in before} == before
    retaken = after["boat-r1"].shot
    assert retaken.request.prompt == "a green boat"
    assert (retaken.dialogue, retaken.duration_seconds) == ("Ahoy!", 2.0)
    assert (after["boat-r1"].result.seed, after["boat-r1"].shot.take_of) == (9, "boat")
    assert (folder / after["kite-r1"].file).is_file()
    again, _ = await make_estimate(stills, plan(stills, folder), folder)
    assert again.new == 0


async def test_a_run_of_the_list_keeps_the_takes_that_were_asked_for(stills, folder, tmp_path):
    """They are not in the list, but stay in the manifest and in the folder."""
    ask(folder, "boat", "1", seed=9)
    made = (await run_review(stills, folder))["boat-r1"]
    path = write_list(tmp_path, KITE, BOAT | {"takes": 2})
    entries = await run_batch(stills, check_list(stills, path), folder)
    assert list(entries) == ["kite", "kite-2", "boat", "boat-2", "boat-r1"]
    assert entries["boat-r1"] == made
    without = await run_batch(stills, check_list(stills, write_list(tmp_path, KITE)), folder)
    assert list(without) == ["kite", "kite-2"]


async def test_a_take_that_failed_is_still_asked_for(stills, sandbox, folder):
    """The next run of the review tries again, and replaces its entry."""
    ask(folder, "boat", "1", prompt="a refused boat")
    sandbox.set_faults(Fault(FaultKind.CONTENT_REFUSED, match="refused", times=None))
    failed = (await run_review(stills, folder))["boat-r1"]
    assert failed.failure.code == "content_refused"
    sandbox.set_faults()
    entries = await run_review(stills, folder)
    assert entries["boat-r1"].failure is None
    assert list(entries) == ["kite", "kite-2", "boat", "boat-r1"]


async def test_the_image_of_another_shot_can_be_the_reference(stills, sandbox, folder):
    """It is the picked take of that shot, and the manifest says which one it was."""
    decide(folder, "kite", marking.pick, find(folder, "kite", "2")[1])
    ask(folder, "boat", "1", reference=NewReference(shot="kite"))
    entries = await run_review(stills, folder)
    assert entries["boat-r1"].shot.needs == ("kite-2",)
    assert "image:data" in sandbox.ledger.generations[-1].content


@pytest.mark.parametrize(
    ("more", "prompt"),
    [
        ({}, "a walk. Reference image 1 shows Anna."),
        ({"reference": NewReference(shot="boat")}, "a walk."),
        ({"reference": NewReference()}, "a walk."),
        ({"prompt": "a run with Anna", "reference": NewReference(shot="boat")}, "a run with Anna"),
    ],
    ids=["as-before", "another", "none", "own-prompt"],
)
async def test_a_prompt_only_explains_references_that_are_sent(
    stills, folder, tmp_path, more, prompt
):
    """With another reference, "Reference image 1 shows Anna" would be wrong, and paid for."""
    image = {"image": str(folder / "images" / "kite.png"), "label": "Anna"}
    walk = {"id": "walk", "prompt": "a walk", "reference_images": [image]}
    await run_batch(stills, check_list(stills, write_list(tmp_path, BOAT, walk)), folder)
    ask(folder, "walk", "1", **more)
    ((_, shot),) = plan(stills, folder).retakes
    assert shot.request.prompt == prompt


async def test_a_reference_without_an_image_is_a_problem(stills, folder):
    """Nothing is sent for the take, and the problem names it."""
    ask(folder, "boat", "1", reference=NewReference(shot="kite"))
    for label in ("1", "2"):
        decide(folder, "kite", marking.reject, find(folder, "kite", label)[1])
    (problem,) = plan(stills, folder).problems
    assert problem.shot_id == "boat-r1"
    assert "'kite', which has no image" in problem.message


async def test_a_plan_that_is_out_of_date_is_refused(stills, folder):
    """Somebody asked for another take under the same id since the price was shown."""
    decide(folder, "kite", marking.reject, find(folder, "kite", "1")[1])
    made = plan(stills, folder)
    ask(folder, "kite", "2", prompt="something else")
    with pytest.raises(InvalidRequest, match="has just been changed"):
        confirm_requests(made)


async def test_takes_of_one_shot_with_other_prompts_do_not_share_a_call(stills, sandbox, folder):
    """Each call has the prompt of its own take."""
    ask(folder, "boat", "1", prompt="a green boat")
    ask(folder, "boat", "1", prompt="a white boat")
    await run_review(stills, folder)
    sent = [send.prompt for send in sandbox.ledger.generations[-2:]]
    assert sorted(sent) == ["a green boat", "a white boat"]


async def test_a_reference_given_as_bytes_can_not_be_sent_again(stills, folder):
    """The manifest says only that there were bytes, so the take needs another reference."""
    entries = list(read_manifest(folder / "manifest.jsonl"))
    with ManifestWriter(folder) as manifest:
        for position, entry in enumerate(entries):
            hidden = (ShotReference(image="data URL"),)
            shot = replace(entry.shot, references=hidden)
            manifest.add_entry(position, replace(entry, shot=shot))
    ask(folder, "boat", "1")
    (problem,) = plan(stills, folder).problems
    assert "does not have the bytes" in problem.message


async def test_a_plan_of_a_manifest_that_another_run_replaced_is_refused(stills, folder, tmp_path):
    """Its entries would bring back old pictures; the manifest stays, and the folder is free."""
    ask(folder, "boat", "1")
    made = plan(stills, folder)
    changed = write_list(tmp_path, KITE, BOAT | {"prompt": "a green boat"})
    await run_batch(stills, check_list(stills, changed), folder)
    manifest = (folder / "manifest.jsonl").read_bytes()
    output = RunOutput(folder, made.names, lambda *_: None)
    with pytest.raises(InvalidRequest, match="another run has just changed the manifest"):
        Run(stills, made, output, asyncio.Event())
    assert (folder / "manifest.jsonl").read_bytes() == manifest
    assert "boat-r1" in await run_review(stills, folder)
