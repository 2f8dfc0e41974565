"""`stills pick` and `stills batch --from-review` as a user runs them."""

import json

import pytest
from tests.support.batch_command import by_id
from tests.support.boards import two_takes_each
from tests.support.finished_shots import write_png


@pytest.fixture
def board(batch, tmp_path):
    """A finished folder `out` with two takes of each of three shots."""
    rows = [{"id": one, "prompt": f"shot {one}", "size": "512*512"} for one in ("1A", "2A", "3A")]
    shots = tmp_path / "shots.jsonl"
    shots.write_text("\n".join(map(json.dumps, rows)))
    made = batch(shots, "--takes", "2")
    assert made.returncode == 0, made.stderr
    return tmp_path / "out"


def test_shots_are_picked_rejected_and_generated_again(batch, run, board, service):
    """Only the rejected take is paid for again; the manifest has every decision."""
    assert run("pick", "1A", "2", "-o", "out").stderr == "1A-2: picked\n"
    rejected = run("pick", "2A", "1", "--reject", "--comment", "too dark", "-o", "out")
    assert rejected.stderr == "2A: rejected, with a comment\n"
    planned = batch("--from-review", "--dry-run")
    assert "1 image: 0 stored already, 1 new" in planned.stdout
    assert "2A-r1: asked for in the review" in planned.stdout
    again = batch("--from-review", "--yes")
    assert again.returncode == 0, again.stderr
    assert service.billed() == 7
    entries = by_id(board)
    assert entries["1A-2"]["mark"] == "picked"
    assert (entries["2A"]["mark"], entries["2A"]["comments"]) == ("rejected", ["too dark"])
    assert entries["2A-r1"]["retake"] is True
    assert (board / entries["2A-r1"]["file"]).is_file()
    assert batch("--from-review", "--yes").returncode == 0
    assert service.billed() == 7


def test_a_requested_take_has_its_own_prompt_and_seed(batch, run, board, service):
    """Without money, a cap refuses it before anything is sent."""
    asked = run("pick", "3A", "2", "--another", "--prompt", "a storm", "--seed", "4", "-o", "out")
    assert asked.returncode == 0, asked.stderr
    refused = batch("--from-review", "--yes", "--max-cost", "0.01")
    assert refused.returncode == 4
    assert service.billed() == 6
    assert batch("--from-review", "--yes").returncode == 0
    entry = by_id(board)["3A-r1"]
    assert (entry["request"]["prompt"], entry["seed"]) == ("a storm", 4)


def test_an_own_picture_takes_the_place_of_a_shot_and_nothing_overwrites_it(
    batch, run, board, tmp_path
):
    """A rerun keeps it; the animatic shows it; it can be undone."""
    write_png(tmp_path / "mine.png", 512, 512)
    picked = run("pick", "1A", "--file", "mine.png", "-o", "out")
    assert picked.stderr == "1A: own picture mine.png\n"
    own = board / by_id(board)["1A"]["own_picture"]
    assert own.read_bytes() == (tmp_path / "mine.png").read_bytes()
    made = batch(tmp_path / "shots.jsonl", "--fresh", "1A")
    assert made.returncode == 0, made.stderr
    assert by_id(board)["1A"]["own_picture"] == str(own.relative_to(board))
    assert own.read_bytes() == (tmp_path / "mine.png").read_bytes()
    own.unlink()
    missing = run("animatic", "out", "-o", "film.mp4")
    assert "own/1A-" in missing.stderr
    assert "stills pick --file" in missing.stderr
    assert run("pick", "--undo", "-o", "out").stderr == "undone: 1A: own picture mine.png\n"
    assert "own_picture" not in by_id(board)["1A"]


def test_decisions_stay_with_rows_without_ids(batch, run, tmp_path):
    """Also when a row is inserted above; a new row has nothing that was decided about another."""
    shots = tmp_path / "plain.csv"

    def make(*prompts):
        shots.write_text("prompt,size\n" + "".join(f"{one},512*512\n" for one in prompts))
        made = batch(shots)
        assert made.returncode == 0, made.stderr
        entries = by_id(tmp_path / "out").values()
        return {one["request"]["prompt"]: one.get("own_picture") for one in entries}

    make("a kite", "a boat")
    write_png(tmp_path / "mine.png", 512, 512)
    assert run("pick", "shot-0002", "--file", "mine.png", "-o", "out").returncode == 0
    moved = make("a beach", "a kite", "a boat")
    assert moved["a boat"].startswith("own/shot-0002-")
    assert (moved["a beach"], moved["a kite"]) == (None, None)
    make("a beach", "a kite")
    assert make("a beach", "a kite", "a ferry")["a ferry"] is None


def test_a_file_that_is_no_picture_is_refused(run, tmp_path):
    """It is checked as every image from outside; nothing changes."""
    board = two_takes_each(tmp_path / "out", "1A")
    (tmp_path / "mine.png").write_text("secret")
    refused = run("pick", "1A", "--file", "mine.png", "-o", "out")
    assert refused.returncode == 2
    assert refused.stderr.startswith("stills: mine.png is ")
    assert "secret" not in refused.stderr
    (tmp_path / "cut.png").write_bytes(write_png(tmp_path / "whole.png").read_bytes()[:-40])
    assert run("pick", "1A", "--file", "cut.png", "-o", "out").returncode == 2
    assert not (board / "own").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["9Z", "1"], "the batch has no shot '9Z'"),
        (["1A", "7"], "no take '7'"),
        (["1A"], "has several takes"),
        ([], "no shot is given"),
        (["1A", "1", "--reject", "--clear"], "are different decisions"),
        (["1A", "1", "--prompt", "x"], "describe another take"),
        (["1A", "1", "--another", "--reference", "file:///etc/passwd"], "https://"),
        (["1A", "--undo"], "--undo can't be combined with a take or another decision"),
    ],
)
def test_a_decision_that_makes_no_sense_is_refused(run, tmp_path, arguments, said):
    """The error says what to do; nothing changes."""
    folder = two_takes_each(tmp_path / "out", "1A", "2A")
    refused = run("pick", *arguments, "-o", "out")
    assert refused.returncode == 2
    assert said in refused.stderr
    assert not (folder / "review.json").exists()


def test_options_of_a_list_are_refused_with_a_review(batch, tmp_path):
    """They would have no effect."""
    two_takes_each(tmp_path / "out", "1A")
    refused = batch("--from-review", "--size", "512*512")
    assert refused.returncode == 2
    assert "--size is for the rows of a list" in refused.stderr
