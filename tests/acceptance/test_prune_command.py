"""`stills prune`: what it deletes, what it keeps, and what it says before."""

import json
import re
import shutil
import signal
import subprocess

import pytest
from tests.support.batch_command import by_id, write_rows

NOW = ("prune", "--older-than", "0d")


@pytest.fixture
def board(batch, tmp_path):
    """The folder of a batch of four images, the second of which is picked."""
    shots = write_rows(tmp_path / "shots.csv", rows=4)
    assert batch(shots, "--yes").returncode == 0
    return tmp_path / "out"


@pytest.fixture
def listed(run):
    """List the generations that are stored."""

    def read(**variables: str) -> set[str]:
        lines = run("list", "--json", variables=variables).stdout.splitlines()
        return {json.loads(line)["id"].partition("-")[0] for line in lines}

    return read


def generation(board, shot: str) -> str:
    """Return the id of a shot's generation."""
    return by_id(board)[shot]["image_id"].partition("-")[0]


def test_old_images_are_deleted_and_picked_ones_kept(run, batch, board, listed, service):
    """The ledger stays, verify misses nothing, and an equal request says that it is billed."""
    assert run("pick", "s01", "1", "-o", "out").returncode == 0
    picked, spent = generation(board, "s01"), run("spend").stdout
    planned = run(*NOW, "--keep-picked", "--dry-run")
    assert planned.returncode == 0, planned.stderr
    assert re.match(r"3 images of \d{4}-\d\d-\d\d( to [\d-]{10})?: [\d.]+ MB\n", planned.stdout)
    assert "kept: 1 image picked in a batch\n" in planned.stdout
    assert f"3 images of {board}: its own copies stay" in planned.stdout
    assert len(listed()) == 4
    done = run(*NOW, "--keep-picked", "--yes")
    assert (done.returncode, done.stdout) == (0, planned.stdout)
    assert "billed again" in done.stderr
    assert listed() == {picked}
    assert run("spend").stdout == spent
    assert run("verify").returncode == 0
    assert len(list((board / "images").iterdir())) == 4
    assert run("recover", "--rebuild", variables=service.variables).returncode == 0
    assert listed() == {picked}
    again = batch("shots.csv", "--dry-run")
    assert "4 shots: 1 stored already, 3 new" in again.stdout
    assert "s00: deleted, so it is billed again" in again.stdout


@pytest.mark.usefixtures("board")
def test_nothing_is_deleted_before_it_is_old_or_without_an_answer(run, listed):
    """A script must say --yes; a bad age is a bad option."""
    assert run("prune", "--older-than", "1d", "--yes").stdout == "nothing to delete\n"
    refused = run(*NOW)
    assert refused.returncode == 2
    assert "--yes" in refused.stderr
    wrong = run("prune", "--older-than", "soon", "--yes")
    assert "--older-than 'soon' is not a date" in wrong.stderr
    assert len(listed()) == 4


def test_a_deletion_says_which_batches_will_miss_the_image(run, board, listed):
    """A batch is billed again for it; `rm` asks, so one can think again."""
    assert run("pick", "s01", "1", "-o", "out").returncode == 0
    told = f"1 image of {board}, 1 picked: its own copies stay, and its next run is billed"
    assert told in run("rm", generation(board, "s01"), "--yes").stdout
    assert f"1 image of {board}: " in run("rm", generation(board, "s02"), "--yes").stdout
    assert len(listed()) == 2


def test_folders_are_only_forgotten_for_their_picks(run, board, listed):
    """Without --keep-picked, an unmounted disk would be forgotten by mistake."""
    shutil.rmtree(board)
    refused = run(*NOW, "--forget-missing", "--yes")
    assert refused.returncode == 2
    assert "--keep-picked" in refused.stderr
    assert len(listed()) == 4


def test_a_folder_that_is_not_there_may_have_picks(run, board, listed, tmp_path):
    """So nothing is deleted, until it is named at its new place, or forgotten."""
    assert run("pick", "s01", "1", "-o", "out").returncode == 0
    picked = generation(board, "s01")
    moved = board.rename(tmp_path / "moved")
    refused = run(*NOW, "--keep-picked", "--yes")
    assert refused.returncode == 2
    assert f"the picks of {board} on " in refused.stderr
    assert "--forget-missing" in refused.stderr
    assert len(listed()) == 4
    done = run(*NOW, "--keep-picked", str(moved), "--forget-missing", "--yes")
    assert done.returncode == 0, done.stderr
    assert listed() == {picked}
    shutil.rmtree(moved)
    assert run(*NOW, "--keep-picked", "--yes").returncode == 0
    assert listed() == set()


def test_a_batch_that_was_killed_has_no_picks(run, board, listed):
    """It leaves images without a manifest; an empty folder may be a disk that is not mounted."""
    (board / "manifest.jsonl").unlink()
    assert run(*NOW, "--keep-picked", "--dry-run").returncode == 0
    shutil.rmtree(board)
    board.mkdir()
    assert run(*NOW, "--keep-picked", "--yes").returncode == 2
    assert len(listed()) == 4


def test_a_damaged_review_stops_it(run, board, listed):
    """Its picks are not readable, so they can't be kept."""
    (board / "review.json").write_text("{")
    refused = run(*NOW, "--keep-picked", "--yes")
    assert refused.returncode == 2
    assert "review.json" in refused.stderr
    assert len(listed()) == 4


def test_an_image_that_an_unfinished_job_needs_is_kept(run, service, listed, tmp_path):
    """A queued shot refers to it; nobody has generated the shot yet."""
    made = run("generate", "a kite", "--size", "64*64", "--json", variables=service.variables)
    other = run("generate", "a boat", "--size", "64*64", variables=service.variables)
    assert other.returncode == 0
    image = json.loads(made.stdout)["id"]
    row = {"id": "1A", "prompt": "the same kite", "size": "512*512", "reference_image": image}
    (tmp_path / "shots.jsonl").write_text(json.dumps(row))
    queued = run(
        "batch", "shots.jsonl", "--queue", "--yes", "--model", "qwen-image-2.0",
        variables=service.variables,
    )  # fmt: skip
    assert queued.returncode == 0, queued.stderr
    asked = run("rm", image)
    assert "1 image that an unfinished job needs, and may fail without" in asked.stdout
    assert asked.returncode == 2
    done = run(*NOW, "--yes")
    assert "kept: 1 image that an unfinished job needs" in done.stdout
    assert listed() == {image.partition("-")[0]}
    assert run("jobs", "cancel", queued.stdout.strip()).returncode == 0
    assert run(*NOW, "--yes").returncode == 0
    assert listed() == set()


@pytest.mark.usefixtures("board")
def test_a_killed_prune_is_repeated(run, command, environment, listed, wait_until, tmp_path):
    """Whatever was deleted before, the rest follows, and nothing else is lost."""
    store = tmp_path / "output" / "ai-image-qwen-image" / "images"
    spent = run("spend").stdout
    before = sum(1 for _ in store.iterdir())
    process = subprocess.Popen(
        [*command, *NOW, "--yes"], env=environment, cwd=tmp_path,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    wait_until(lambda: sum(1 for _ in store.iterdir()) < before or process.poll() is not None)
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=20)
    assert run(*NOW, "--yes").returncode == 0
    assert listed() == set()
    assert not list(store.glob("*.png"))
    assert run("spend").stdout == spent
    assert run("verify").returncode == 0


def test_images_in_a_bucket_are_deleted_there(run, bucket, listed):
    """With their sidecars, so that a rebuilt catalog does not have them either."""
    for prompt in ("a kite", "a boat"):
        done = run("generate", prompt, "--size", "64*64", "--sandbox", variables=bucket)
        assert done.returncode == 0, done.stderr
    assert run(*NOW, "--yes", variables=bucket).returncode == 0
    assert listed(**bucket) == set()
    rebuilt = run("recover", "--rebuild", "--sandbox", variables=bucket)
    assert "there is no image to rebuild" in rebuilt.stderr


def test_generate_says_that_the_image_was_deleted(run):
    """In the notes of the new image, also with --json; later answers are from the catalog."""
    kite = ("generate", "a kite", "--size", "64*64", "--sandbox", "--json")
    image = json.loads(run(*kite).stdout)["id"]
    assert run("rm", image, "--yes").returncode == 0
    again = json.loads(run(*kite).stdout)
    assert (again["cached"], again["cost_usd"]) == (False, 0.075)
    assert any("was deleted on" in note for note in again["notes"])
    assert json.loads(run(*kite).stdout)["cached"]
