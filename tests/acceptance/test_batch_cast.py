"""`stills batch` with a cast: portraits come first and are references of the shots."""

import json
from pathlib import Path

import pytest
from tests.support.batch_command import (
    by_id,
    reference_prompts,
    refuse,
)

CAST = """
title: The lighthouse
size: 512*512
cast:
  anna: a tall woman in a yellow coat
  ben: a small boy with a kite
shots:
  - {id: harbour, prompt: a walk along the harbour, cast: anna}
  - {id: beach, prompt: a run along the beach, cast: ben}
  - {id: sea, prompt: the sea}
"""
BOTH = "  - {id: both, prompt: a walk, cast: [anna, ben]}\n"


@pytest.fixture
def cast(tmp_path: Path) -> Path:
    """A project with two cast members, and a shot for each."""
    path = tmp_path / "film.yaml"
    path.write_text(CAST)
    return path


def test_portraits_are_generated_first_and_are_references(batch, cast, service, tmp_path):
    """A second run finds portraits and shots in the catalog."""
    done = batch(cast, "--model", "qwen-image-2.0")
    assert done.returncode == 0, done.stderr
    entries = by_id(tmp_path / "out")
    assert list(entries) == ["cast-anna", "cast-ben", "harbour", "beach", "sea"]
    assert entries["harbour"]["needs"] == ["cast-anna"]
    assert reference_prompts(service) == {"a walk along the harbour", "a run along the beach"}
    plan = batch(cast, "--model", "qwen-image-2.0", "--dry-run").stdout
    assert plan == "3 shots and 2 portraits: 5 stored already, nothing to generate\n"
    assert batch(cast, "--model", "qwen-image-2.0").returncode == 0
    assert service.billed() == 5


def test_a_cast_is_described_if_the_model_accepts_no_references(batch, cast, service, tmp_path):
    """One note says so, and no portraits are generated."""
    done = batch(cast)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("qwen-image-max accepts no references") == 1
    entries = by_id(tmp_path / "out")
    assert list(entries) == ["harbour", "beach", "sea"]
    described = "a walk along the harbour. anna: a tall woman in a yellow coat"
    assert entries["harbour"]["request"]["prompt"] == described
    assert reference_prompts(service) == set()

    refused = batch(cast, "--on-unsupported-reference", "error")
    assert refused.returncode == 2
    assert "film.yaml:" in refused.stderr
    assert "accepts no references" in refused.stderr


def test_a_cast_of_two_is_sent_as_two_images(batch, service, tmp_path):
    """Its portraits come first, in order; the prompt says who is who, and a re-run is free."""
    path = tmp_path / "film.yaml"
    path.write_text(CAST.partition("  - {id: harbour")[0] + BOTH)
    done = batch(path, "--model", "qwen-image-2.0")
    assert done.returncode == 0, done.stderr
    entries = by_id(tmp_path / "out")
    assert list(entries) == ["cast-anna", "cast-ben", "both"]
    prompt = "a walk. Reference image 1 shows anna. Reference image 2 shows ben."
    assert entries["both"]["request"]["prompt"] == prompt
    assert entries["both"]["references"] == [
        {"shot": "cast-anna", "label": "anna"},
        {"shot": "cast-ben", "label": "ben"},
    ]
    *_, send = (one for one in service.ledger()["sends"] if one["kind"] == "generation")
    assert (send["prompt"], send["content"].count("image:data")) == (prompt, 2)
    assert batch(path, "--model", "qwen-image-2.0").returncode == 0
    assert service.billed() == 3


def test_a_member_that_is_one_too_many_is_described(batch, tmp_path):
    """The plan says which; `error` refuses it instead, for all such shots at once."""
    cast = CAST.partition("shots:")[0] + "  cat: a grey cat\n  dog: a brown dog\nshots:\n"
    four = "  - {id: SHOT, prompt: a walk, cast: [anna, ben, cat, dog]}\n"
    path = tmp_path / "film.yaml"
    path.write_text(cast + four.replace("SHOT", "four") + four.replace("SHOT", "more"))
    note = (
        "note: qwen-image-2.0 accepts 3 reference images, so cast members are described in the "
        "prompts of some shots: four (dog), more (dog)\n"
    )
    assert batch(path, "--model", "qwen-image-2.0", "--dry-run").stderr == note
    done = batch(path, "--model", "qwen-image-2.0")
    assert done.returncode == 0, done.stderr
    entries = by_id(tmp_path / "out")
    assert list(entries) == ["cast-anna", "cast-ben", "cast-cat", "four", "more"]
    assert entries["four"]["request"]["prompt"].endswith("3 shows cat. dog: a brown dog")

    refused = batch(path, "--model", "qwen-image-2.0", "--on-unsupported-reference", "error")
    assert refused.returncode == 2
    assert refused.stderr.count("accepts 3 reference images, but shot ") == 2
    assert "qwen-image-2.1-" in refused.stderr


def test_rows_that_wait_for_a_portrait_are_checked_before_it_is_paid_for(batch, service, tmp_path):
    """A prompt may only be too long together with what it says about its references."""
    long = "a kite " * 645
    rows = f"  - {{id: long, prompt: {long}, cast: [anna, ben]}}\n"
    rows += "  - {id: lost, prompt: a walk, cast: anna, reference_image: nowhere.png}\n"
    rows += "  - {id: after, prompt: a walk, reference_shot: long}\n"
    path = tmp_path / "film.yaml"
    path.write_text(CAST.partition("  - {id: harbour")[0] + rows + BOTH)
    done = batch(path, "--model", "qwen-image-2.0")
    assert done.returncode == 2
    assert "with what it says about its references" in done.stderr
    assert "nowhere.png" in done.stderr
    assert "2 problems" in done.stderr
    assert service.ledger()["sends"] == []


def test_a_failed_portrait_skips_only_its_own_shots(batch, cast, service, tmp_path):
    """`--retry-failed` generates those and new shots, and reports the others as unchanged."""
    service.set_faults(refuse("tall woman"))
    done = batch(cast, "--model", "qwen-image-2.0")
    assert done.returncode == 1
    entries = by_id(tmp_path / "out")
    failed = {name for name, entry in entries.items() if entry["status"] == "failed"}
    assert failed == {"cast-anna", "harbour"}
    assert "'cast-anna'" in entries["harbour"]["error"]["message"]

    service.set_faults()
    text = cast.read_text() + "  - {id: late, prompt: added later}\n"
    cast.write_text(text)
    again = batch(cast, "--model", "qwen-image-2.0", "--retry-failed")
    assert again.returncode == 0, again.stderr
    assert "3 new, 0 from the catalog, 3 done earlier" in again.stderr
    entries = by_id(tmp_path / "out")
    assert list(entries) == ["cast-anna", "cast-ben", "harbour", "beach", "sea", "late"]
    assert {entry["status"] for entry in entries.values()} == {"done"}
    assert service.billed() == 6


def test_fresh_pays_for_the_named_shots(batch, cast, service):
    """Shots that need an unchanged image are found in the catalog; an unknown id is refused."""
    model = ("--model", "qwen-image-2.0")
    assert batch(cast, *model).returncode == 0
    done = batch(cast, *model, "--fresh", "cast-anna", "sea")
    assert done.returncode == 0, done.stderr
    assert "2 new, 3 from the catalog" in done.stderr
    assert service.billed() == 7
    wrong = batch(cast, *model, "--fresh", "cast-ana")
    assert wrong.returncode == 2
    assert "Did you mean cast-anna?" in wrong.stderr


def test_a_mulmoscript_is_a_shot_list(batch, tmp_path):
    """Its beats are the shots, its images the cast."""
    script = {
        "$mulmocast": {"version": "1.1"},
        "imageParams": {
            "style": "ink wash",
            "images": {"girl": {"type": "imagePrompt", "prompt": "a girl in a red coat"}},
        },
        "beats": [
            {"id": "field", "text": "She runs.", "imagePrompt": "a girl runs through a field"},
            {"id": "road", "text": "The road is empty.", "imageNames": []},
        ],
    }
    path = tmp_path / "script.json"
    path.write_text(json.dumps(script))
    done = batch(path, "--model", "qwen-image-2.0")
    assert done.returncode == 0, done.stderr
    assert list(by_id(tmp_path / "out")) == ["cast-girl", "field", "road"]


def test_a_portrait_that_another_needs_is_generated_before_it(batch, service, tmp_path):
    """Neither is generated if the model accepts no references."""
    images = {
        "angry": {"type": "imagePrompt", "prompt": "she shouts", "referenceImageName": "girl"},
        "girl": {"type": "imagePrompt", "prompt": "a girl in a red coat"},
    }
    beats = [{"id": "field", "imagePrompt": "a field", "imageNames": ["angry"]}]
    path = tmp_path / "script.json"
    path.write_text(json.dumps({"imageParams": {"images": images}, "beats": beats}))
    done = batch(path, "--model", "qwen-image-2.0")
    assert done.returncode == 0, done.stderr
    assert list(by_id(tmp_path / "out")) == ["cast-angry", "cast-girl", "field"]
    assert reference_prompts(service) == {"she shouts", "a field"}
    assert batch(path).returncode == 0
    assert list(by_id(tmp_path / "out")) == ["field"]
    assert service.billed() == 4
