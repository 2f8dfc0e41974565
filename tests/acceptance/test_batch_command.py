"""`stills batch` as a user runs it, against a sandbox in another process."""

import json
import os
import stat

import pytest
from tests.support.batch_command import (
    ROWS,
    by_id,
    read_lines,
    reference_prompts,
    refuse,
    write_rows,
)


def test_a_table_becomes_images_a_manifest_and_a_contact_sheet(batch, shots, service, tmp_path):
    """One failure does not affect other shots; the same command again generates the rest."""
    service.set_faults(refuse("number 07"))
    first = batch(shots)
    assert first.returncode == 1, first.stderr
    assert first.stdout == "out/manifest.jsonl\n"
    failures = [line for line in first.stderr.splitlines() if line.startswith("shots.csv:")]
    assert len(failures) == 1
    assert failures[0].startswith("shots.csv:9: s07: ")
    assert "Rephrase the prompt" in failures[0]
    assert "19 new, 0 from the catalog, 1 failed" in first.stderr
    assert service.billed() == ROWS - 1

    entries = read_lines(tmp_path / "out" / "manifest.jsonl")
    assert [entry["id"] for entry in entries] == [f"s{number:02}" for number in range(ROWS)]
    assert entries[7]["error"]["code"] == "content_refused"
    for entry in entries[:7] + entries[8:]:
        assert (tmp_path / "out" / entry["file"]).read_bytes().startswith(b"\x89PNG")
    assert not (tmp_path / "out" / "images" / "s07.png").exists()
    sheet = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert sheet.count("images/s") >= ROWS - 1

    service.set_faults()
    again = batch(shots)
    assert again.returncode == 0, again.stderr
    assert "1 new, 19 from the catalog" in again.stderr
    assert service.billed() == ROWS


def test_under_umask_077_all_files_are_private(batch, run, shots, tmp_path):
    """This includes images, manifest, contact sheet, store, catalog and copies."""
    before = os.umask(0o077)
    try:
        assert batch(shots).returncode == 0
        kite = (
            "generate",
            "a red kite",
            "--size",
            "64*64",
            "--sandbox",
            "--output",
            "copy/kite.png",
        )
        assert run(*kite).returncode == 0
    finally:
        os.umask(before)
    images = list((tmp_path / "out" / "images").iterdir())
    assert {stat.S_IMODE(image.stat().st_mode) for image in images} == {0o400}
    written = [tmp_path / "copy", tmp_path / "out", tmp_path / "output"]
    readable = [
        path
        for top in written
        for path in (top, *top.rglob("*"))
        if stat.S_IMODE(path.stat().st_mode) & 0o077
    ]
    assert readable == []


def test_all_problems_are_reported_and_nothing_is_sent(batch, service, tmp_path):
    """They have the file, line and field; `--skip-invalid` generates the other rows."""
    shots = tmp_path / "shots.jsonl"
    rows = [
        {"id": "a", "prompt": "a kite", "size": "512*512"},
        {"id": "b", "prompt": "a kite", "size": "huge"},
        {"id": "c", "prompt": "", "size": "512*512"},
        {"id": "d", "prompt": "a kite " * 450, "size": "512*512"},
        {"id": "e", "prompt": "a kite", "size": "512*512", "reference_image": "x.png"},
        {"id": "f", "prompt": "a kite", "size": "512*512", "reference_shot": "d"},
    ]
    shots.write_text("\n".join(map(json.dumps, rows)))
    done = batch(shots)
    assert done.returncode == 2
    for line, field in ((2, "size"), (3, "prompt"), (4, "prompt"), (5, "reference_image")):
        assert f"shots.jsonl:{line}: {field}: " in done.stderr
    assert service.ledger()["sends"] == []
    assert not (tmp_path / "out").exists()

    skipped = batch(shots, "--skip-invalid")
    assert skipped.returncode == 0, skipped.stderr
    assert list(by_id(tmp_path / "out")) == ["a"]


def test_a_dry_run_prints_the_plan_and_sends_nothing(batch, shots, service, tmp_path):
    """The plan has the numbers of shots, the cost, and the time at the rate limit."""
    planned = batch(shots, "--dry-run", "--rate", "2/min")
    assert planned.returncode == 0
    assert planned.stdout == (
        "20 shots: 0 stored already, 20 new with qwen-image-max "
        "(about 1.50 USD, 10 min at the rate limit)\n"
        + "".join(f"  s{number:02}: new, 0.075 USD\n" for number in range(20))
    )
    assert planned.stderr == (
        "note: qwen-image-max was retired on 2026-10-10, according to notices; its successor is "
        "qwen-image-2.0. Choose another model with --model, STILLS_MODEL or the field `model`.\n"
    )
    assert service.ledger()["sends"] == []
    assert not (tmp_path / "out").exists()
    write_rows(tmp_path / "few.csv", 3)
    assert batch(tmp_path / "few.csv").returncode == 0
    assert "20 shots: 3 stored already, 17 new" in batch(shots, "--dry-run").stdout


def test_a_take_that_fails_does_not_affect_the_others(batch, shots, service, tmp_path):
    """Here the service makes fewer images than ordered; the next run makes the missing one."""
    write_rows(shots, 1)
    service.set_faults({"kind": "fewer_images"})
    done = batch(shots, "--takes", "3", "--model", "qwen-image-2.0")
    assert done.returncode == 1
    assert "2 new, 0 from the catalog, 1 failed" in done.stderr
    statuses = [entry["status"] for entry in by_id(tmp_path / "out").values()]
    assert sorted(statuses) == ["done", "done", "failed"]
    plan = batch(shots, "--takes", "3", "--model", "qwen-image-2.0", "--dry-run").stdout
    assert plan.startswith("1 shot, 3 images: 2 stored already, 1 new with qwen-image-2.0 ")
    assert batch(shots, "--takes", "3", "--model", "qwen-image-2.0").returncode == 0
    entries = by_id(tmp_path / "out")
    assert list(entries) == ["s00", "s00-2", "s00-3"]
    assert entries["s00-2"]["take_of"] == "s00"
    assert entries["s00-2"]["seed"] == entries["s00"]["seed"] + 1
    assert (tmp_path / "out" / "images" / "s00-2.png").is_file()
    assert service.billed() == 3
    assert len([one for one in service.ledger()["sends"] if one["kind"] == "generation"]) == 2


def test_the_cost_cap_holds_before_and_during_a_run(batch, shots, service, tmp_path):
    """Possibly billed requests count, so they are not repeated over the cap."""
    refused = batch(shots, "--max-cost", "1.4")
    assert refused.returncode == 4
    assert service.ledger()["sends"] == []
    service.set_faults({"kind": "drop_after", "match": "number 0", "times": None})
    done = batch(shots, "--max-cost", "1.5")
    assert done.returncode == 1
    assert service.billed() <= ROWS
    assert "possibly billed" in done.stderr
    service.set_faults()
    again = batch(shots, "--max-cost", "1.5")
    assert again.returncode == 0, again.stderr
    assert {entry["status"] for entry in by_id(tmp_path / "out").values()} == {"done"}


def test_a_list_can_be_read_from_standard_input(batch, service, shots):
    """`-` reads a pipe."""
    done = batch("-", stdin=shots.read_text())
    assert done.returncode == 0, done.stderr
    assert service.billed() == ROWS


def test_an_account_error_stops_the_run(batch, shots, service, tmp_path):
    """Every further shot would fail the same way."""
    service.set_faults({"kind": "quota_exhausted", "times": None})
    done = batch(shots)
    assert done.returncode == 1
    assert "stopped" in done.stderr
    statuses = [entry["status"] for entry in by_id(tmp_path / "out").values()]
    assert len(statuses) == ROWS
    assert set(statuses) == {"failed", "pending"}


@pytest.mark.parametrize("fault", ["drop_after", "gateway_html"])
def test_an_outage_stops_the_run(batch, shots, service, tmp_path, fault: str):
    """No shots start after five without an answer; the next run generates the rest."""
    service.set_faults({"kind": fault, "times": None})
    done = batch(shots, variables={"STILLS_CONCURRENCY": "1"})
    assert done.returncode == 1
    assert "stopped early, because the service did not answer 5 shots in a row" in done.stderr
    calls = service.ledger()["totals"]["generations"]
    assert calls in {5, 6}  # one may be under way when the fifth is reported
    assert f"{calls} failed ({calls} with an unknown outcome)" in done.stderr
    statuses = [entry["status"] for entry in by_id(tmp_path / "out").values()]
    assert sorted(statuses) == ["failed"] * calls + ["pending"] * (ROWS - calls)

    service.set_faults()
    assert batch(shots).returncode == 0
    assert service.ledger()["totals"]["generations"] == calls + ROWS


def test_an_unknown_outcome_does_not_affect_other_shots(batch, shots, service, tmp_path):
    """It is sent once; totals, events and contact sheet report it."""
    service.set_faults({"kind": "drop_after", "match": "number 03", "times": None})
    done = batch(shots, "--events")
    assert done.returncode == 1
    assert "19 new, 0 from the catalog, 1 failed (1 with an unknown outcome)" in done.stderr
    assert "A retry sends another call, and both may be billed." in done.stderr
    end = json.loads(done.stdout.splitlines()[-1])
    assert (end["made"], end["failed"], end["unknown"], end["possible"]) == (19, 1, 1, 1)
    assert end["stopped_because"] is None
    error = by_id(tmp_path / "out")["s03"]["error"]
    assert (error["code"], error["billing"]) == ("connection_lost", "possible")
    assert "unknown outcome" in (tmp_path / "out" / "index.html").read_text()
    assert service.ledger()["totals"]["generations"] == ROWS


def test_a_batch_repeats_calls_of_unknown_outcome_if_the_user_allows_it(batch, shots, service):
    """Each image is sent at most as often as allowed."""
    service.set_faults({"kind": "drop_after", "match": "number 03", "times": 2})
    done = batch(shots, "--resend-unknown", "2")
    assert done.returncode == 0, done.stderr
    assert "2 more possibly billed" in done.stderr
    assert service.billed() == ROWS + 2


def test_a_repeated_run_makes_the_same_requests(batch, shots, tmp_path):
    """Seeds are derived from the project's seed and the shots' ids."""
    assert batch(shots, "--seed", "5").returncode == 0
    first = {name: entry["seed"] for name, entry in by_id(tmp_path / "out").items()}
    assert len(set(first.values())) == ROWS
    assert "0 new, 20 from the catalog" in batch(shots, "--seed", "5").stderr
    assert "20 new, 0 from the catalog" in batch(shots, "--seed", "6").stderr


def test_a_reference_shot_is_sent_as_an_image(batch, service, tmp_path):
    """A shot that names another is sent with that shot's image."""
    first = tmp_path / "two.jsonl"
    rows = [
        {"id": "second", "prompt": "the same at night", "size": "512*512", "reference_shot": "one"},
        {"id": "one", "prompt": "a harbour", "size": "512*512"},
    ]
    first.write_text("\n".join(map(json.dumps, rows)))
    done = batch(first, "--model", "qwen-image-2.0")
    assert done.returncode == 0, done.stderr
    assert list(by_id(tmp_path / "out")) == ["second", "one"]
    assert reference_prompts(service) == {"the same at night"}
