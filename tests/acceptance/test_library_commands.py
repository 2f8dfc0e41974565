"""`stills list` with conditions, and `stills rm`."""

import json
from pathlib import Path

import pytest


@pytest.fixture
def made(run):
    """Three images in the sandbox, by prompt."""
    shown = {}
    for prompt, style in (("a red kite", "35mm film"), ("a blue kite", None), ("a boat", None)):
        options = ["--style", style] if style else []
        done = run(
            "generate", prompt, "--size", "64*64", "--seed", "5", *options, "--sandbox", "--json"
        )
        shown[prompt] = json.loads(done.stdout)
    return shown


@pytest.mark.parametrize(
    ("options", "prompts"),
    [
        ([], ["a boat", "a blue kite", "a red kite"]),
        (["kite"], ["a blue kite", "a red kite"]),
        (["red", "kite"], ["a red kite"]),
        (["--style", "35mm film"], ["a red kite"]),
        (["--seed", "6"], []),
        (["--model", "qwen-image-2.0"], []),
        (["--since", "1d", "kite"], ["a blue kite", "a red kite"]),
        (["--since", "2999-01-01"], []),
        (["--limit", "1"], ["a boat"]),
    ],
)
def test_images_are_listed_by_conditions(run, made, options, prompts):
    """Newest first; words are searched in the prompt."""
    assert made
    listed = run("list", "--json", *options)
    assert [json.loads(line)["prompt"] for line in listed.stdout.splitlines()] == prompts


def test_paths_are_files_that_a_program_can_open(run, made):
    """One path per line, for xargs."""
    paths = [Path(line) for line in run("list", "--paths").stdout.splitlines()]
    assert len(paths) == len(made)
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)


def test_an_empty_answer_says_so(run, made):
    """A script sees nothing on standard output, and a person one line."""
    assert made
    assert run("list", "zeppelin").stderr == "no image matches\n"


def test_a_deleted_image_is_gone_and_the_ledger_stays(run, made):
    """Spending is the same, and verify misses nothing."""
    before = run("spend").stdout
    done = run("rm", made["a boat"]["id"][:8], "--yes")
    assert done.returncode == 0, done.stderr
    assert "a boat" in done.stdout
    assert "billed again" in done.stderr
    assert "a boat" not in run("list").stdout
    assert run("spend").stdout == before
    assert run("verify").returncode == 0


def test_a_script_must_say_yes(run, made):
    """Without a terminal nobody can be asked, so nothing is deleted."""
    done = run("rm", made["a boat"]["id"])
    assert done.returncode == 2
    assert "--yes" in done.stderr
    assert "a boat" in run("list").stdout


def test_one_wrong_id_deletes_nothing(run, made):
    """All ids are looked up first."""
    done = run("rm", made["a boat"]["id"], "zzzz", "--yes")
    assert done.returncode == 2
    assert "a boat" in run("list").stdout


@pytest.mark.parametrize("given", ["", "1", "123"])
def test_an_empty_or_very_short_id_is_refused(run, service, given):
    """A script whose variable is empty would delete the only image."""
    made = run("generate", "a kite", "--size", "64*64", "--json", variables=service.variables)
    refused = run("rm", given, "--yes")
    assert refused.returncode == 2
    assert "at least 4 characters" in refused.stderr
    assert json.loads(made.stdout)["id"] in run("list").stdout


def test_an_image_that_is_given_twice_is_deleted_once(run, made):
    """Both its full id and the beginning stand for it."""
    image = made["a boat"]["id"]
    done = run("rm", image, image[:6], "--yes")
    assert (done.returncode, done.stdout.count(image)) == (0, 1)


def test_paths_and_json_exclude_each_other(run):
    """Neither is ignored silently."""
    refused = run("list", "--paths", "--json")
    assert refused.returncode == 2
    assert "not allowed with" in refused.stderr
