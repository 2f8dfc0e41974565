"""Writing and reading manifests."""

import json
import tracemalloc
from base64 import b64encode
from dataclasses import replace

import pytest
from tests.support.finished_shots import done, failed, result, shot

from stills.batch.manifest import MANIFEST_NAME, ManifestWriter, read_manifest
from stills.batch.manifest_entry import ManifestEntry, Status
from stills.contract.errors import Billing, ConnectionLost, InvalidRequest, OutputRefused
from stills.shotlist.shots import Outcome, ShotReference


def lines(folder):
    return [json.loads(line) for line in (folder / MANIFEST_NAME).read_text().splitlines()]


def write(folder, *outcomes):
    with ManifestWriter(folder) as manifest:
        for position, outcome in enumerate(outcomes):
            manifest.add(position, outcome, _file(outcome))
    return folder / MANIFEST_NAME


def _file(outcome):
    return "images/x.png" if outcome.result and not outcome.error else None


def test_lines_are_in_input_order(tmp_path):
    """Outcomes are added as shots end; the file is in the order of the shot list."""
    with ManifestWriter(tmp_path) as manifest:
        for position in (2, 0, 3, 1):
            manifest.add(position, done(f"s{position}"))
    assert [line["id"] for line in lines(tmp_path)] == ["s0", "s1", "s2", "s3"]


def test_a_finished_shot_has_its_request_and_result(tmp_path):
    """The entry has the request, the contract's four fields, the file and the cost."""
    finished = done("s01", style="noir", needs=("kira",), duration_seconds=2.5)
    write(tmp_path, finished)
    assert lines(tmp_path) == [
        {
            "id": "s01",
            "status": "done",
            "source": "film.csv:2",
            "request": {"prompt": "a red kite", "size": "96*64", "style": "noir"},
            "references": [{"shot": "kira"}],
            "needs": ["kira"],
            "duration_seconds": 2.5,
            "image_url": "file:///store/kite.png",
            "width": 96,
            "height": 64,
            "seed": 7,
            "file": "images/x.png",
            "object_path": "kite.png",
            "cached": False,
            "cost_usd": 0.075,
            "image_id": "3f9a1c2b7d4e-96x64",
            "provider": "dashscope",
            "model": "qwen-image-max",
            "native_size": "1664*928",
            "notes": ["Scaled."],
        }
    ]


def test_a_failed_shot_has_its_error(tmp_path):
    """Programs use code, retryable and billing; people read message and action."""
    error = ConnectionLost("it broke", billing=Billing.POSSIBLE, request_id="r-1")
    write(tmp_path, failed("s01", error))
    [line] = lines(tmp_path)
    assert line["status"] == "failed"
    assert line["error"] == {
        "code": "connection_lost",
        "message": "it broke",
        "action": ConnectionLost.default_action,
        "retryable": True,
        "billing": "possible",
        "request_id": "r-1",
    }
    assert "image_url" not in line


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("https://user:pw@h.org/a.png?Signature=SECRET#SECRET", "https://h.org/a.png"),
        ("http://user:SECRET@h.org/a.png", "http://h.org/a.png"),
        (" HTTPS://h.org/a.png?SECRET", "https://h.org/a.png"),
        ("https://[SECRET", "unreadable URL"),
        ("data:image/png;base64,SECRET", "data URL"),
        (" Data:image/png;base64,SECRET", "data URL"),
        ("image/png;base64,SECRET", "data URL"),
        (b64encode(b"\x89PNG\r\n\x1a\n" + b"SECRET" * 20).decode(), "base64"),
        ("3f9a1c2b7d4e-96x64", "3f9a1c2b7d4e-96x64"),
        (b"SECRET", "6 bytes"),
        ("refs/kira.png", "refs/kira.png"),
    ],
)
def test_a_reference_is_shown_without_secrets_or_bytes(tmp_path, given, shown):
    """Manifests are shared, so they have no query, credentials or data URL."""
    write(tmp_path, done(references=(ShotReference(image=given),)))
    assert lines(tmp_path)[0]["request"]["reference_image"] == shown
    assert lines(tmp_path)[0]["references"] == [{"image": shown}]
    written = (tmp_path / MANIFEST_NAME).read_bytes()
    assert b"SECRET" not in written
    assert b64encode(b"SECRETSECRET") not in written


def test_references_are_in_the_order_in_which_they_were_sent(tmp_path):
    """Each is an image or the id of a shot, with what it shows."""
    references = (
        ShotReference(shot="cast-anna", member="anna", description="a tall woman"),
        ShotReference(image="https://h.org/a.png?Signature=SECRET", label="the boat"),
        ShotReference(shot="sea"),
    )
    write(tmp_path, done(references=references))
    [line] = lines(tmp_path)
    assert line["references"] == [
        {"shot": "cast-anna", "label": "anna"},
        {"image": "https://h.org/a.png", "label": "the boat"},
        {"shot": "sea"},
    ]
    assert line["needs"] == ["cast-anna", "sea"]
    assert "reference_image" not in line["request"]


@pytest.mark.parametrize("references", [["a.png"], [{"shot": 5}]])
def test_an_entry_with_invalid_references_is_refused(references):
    """Someone has edited the manifest."""
    line = json.loads(ManifestEntry.of(done(needs=("kira",))).to_json())
    with pytest.raises(InvalidRequest):
        ManifestEntry.from_json(json.dumps(line | {"references": references}).encode())


def test_references_of_older_manifests_are_read():
    """They had one image in the request, or the ids of shots."""
    line = json.loads(ManifestEntry.of(done()).to_json())
    older = line | {"needs": ["kira"], "request": line["request"] | {"reference_image": "a.png"}}
    entry = ManifestEntry.from_json(json.dumps(older).encode())
    assert entry.shot.references == (ShotReference(image="a.png"), ShotReference(shot="kira"))


def test_entries_are_read_back_unchanged(tmp_path):
    """One is a portrait, others are done, failed, pending, or stored without a file."""
    outcomes = [
        done("kira", is_portrait=True),
        done("s01 雨 \u2028\n\"'", needs=("kira",), duration_seconds=2.0, seed=0),
        done("s02 sent", reference_text="Reference image 1 shows Kira."),
        done("s02 said", dialogue='ANNA: 雨?\nBEN: "Yes." 😀'),
        failed("s02", ConnectionLost(billing=Billing.POSSIBLE)),
        Outcome(shot("s03")),
        Outcome(shot("s04"), result(), OutputRefused("no", billing=Billing.BILLED)),
    ]
    path = write(tmp_path, *outcomes)
    assert list(read_manifest(path)) == [ManifestEntry.of(one, _file(one)) for one in outcomes]
    assert [entry.status for entry in read_manifest(path)] == [
        Status.DONE,
        Status.DONE,
        Status.DONE,
        Status.DONE,
        Status.FAILED,
        Status.PENDING,
        Status.FAILED,
    ]


def test_an_interrupted_shot_is_pending_with_its_billing(tmp_path):
    """It was sent and may be billed; a shot that was not sent has no billing."""
    interrupted = Outcome(shot("s01"), billing=Billing.POSSIBLE)
    path = write(tmp_path, interrupted, Outcome(shot("s02")))
    assert [(line["status"], line.get("billing")) for line in lines(tmp_path)] == [
        ("pending", "possible"),
        ("pending", None),
    ]
    assert list(read_manifest(path)) == [
        ManifestEntry.of(interrupted),
        ManifestEntry.of(Outcome(shot("s02"))),
    ]


def test_a_lone_surrogate_is_written_and_read(tmp_path):
    """An id from hostile JSON may contain one, which UTF-8 can't."""
    path = write(tmp_path, done("s\ud800"))
    assert next(read_manifest(path)).shot.id == "s\ud800"


def test_an_interrupted_batch_writes_the_added_shots(tmp_path):
    """They are in order, without the shots that were never added."""

    def interrupted():
        with ManifestWriter(tmp_path) as manifest:
            manifest.add(5, done("s5"))
            manifest.add(1, done("s1"))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [line["id"] for line in lines(tmp_path)] == ["s1", "s5"]


def test_the_old_manifest_stays_until_the_new_one_is_complete(tmp_path):
    """A killed run leaves only the manifest of the earlier run."""
    write(tmp_path, done("old"))
    manifest = ManifestWriter(tmp_path)
    manifest.add(0, done("new"))
    assert lines(tmp_path)[0]["id"] == "old"
    assert [file.name for file in tmp_path.iterdir()] == [MANIFEST_NAME]
    manifest.close()
    manifest.close()
    assert lines(tmp_path)[0]["id"] == "new"
    assert [file.name for file in tmp_path.iterdir()] == [MANIFEST_NAME]


def test_a_second_outcome_replaces_the_first(tmp_path):
    """A pending shot that is done after all has one line."""
    with ManifestWriter(tmp_path) as manifest:
        manifest.add(0, Outcome(shot("s0")))
        manifest.add(0, done("s0"))
    assert [line["status"] for line in lines(tmp_path)] == ["done"]


def test_memory_stays_constant(tmp_path):
    """For five thousand outcomes, only their positions are in memory."""
    outcome = done(prompt="p" * 500)
    tracemalloc.start()
    with ManifestWriter(tmp_path) as manifest:
        for position in range(5_000):
            manifest.add(position, outcome)
    assert sum(1 for _ in read_manifest(tmp_path / MANIFEST_NAME)) == 5_000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 500_000


def test_a_folder_that_cannot_be_written_is_refused(tmp_path):
    """The error names the path."""
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputRefused, match="file"):
        ManifestWriter(tmp_path / "file")


def test_only_one_run_at_a_time_can_use_a_folder(tmp_path):
    """Two would mix their images, and one manifest would be lost."""
    with (
        ManifestWriter(tmp_path),
        pytest.raises(OutputRefused, match="another batch is writing to"),
    ):
        ManifestWriter(tmp_path)
    write(tmp_path, done())
    assert [path.name for path in tmp_path.iterdir()] == [MANIFEST_NAME]


GOOD = ManifestEntry.of(done(), "images/s01.png").to_json()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": None}, "id is missing"),
        ({"id": 5}, "id is not text"),
        ({"request": "x"}, "request is not an object"),
        ({"request": {"prompt": "x"}}, "size is missing"),
        ({"status": "failed"}, "status is 'failed'"),
        ({"width": 0}, "width is less than 1"),
        ({"width": True}, "width is not a whole number"),
        ({"cost_usd": "1"}, "cost_usd is not a number"),
        ({"cost_usd": 10**400}, "cost_usd is out of range"),
        ({"duration_seconds": -1}, "duration_seconds is not above 0"),
        ({"duration_seconds": 1e999}, "Infinity is not a valid JSON number"),
        ({"billing": "maybe"}, "unknown billing 'maybe'"),
        ({"notes": [1]}, "notes is not a list of strings"),
        ({"file": "../../etc/passwd"}, "is not inside the manifest's folder"),
        ({"file": "/etc/passwd"}, "is not inside the manifest's folder"),
        ({"file": "//host/x.png"}, "is not inside the manifest's folder"),
        ({"file": "javascript:alert(1)"}, "is not inside the manifest's folder"),
        ({"file": ""}, "is not inside the manifest's folder"),
    ],
)
def test_an_invalid_line_is_refused_with_file_and_line(tmp_path, change, message):
    """A manifest may come from anyone."""
    path = tmp_path / "m.jsonl"
    path.write_bytes(GOOD + b"\n\n" + json.dumps(json.loads(GOOD) | change).encode())
    with pytest.raises(InvalidRequest) as caught:
        list(read_manifest(path))
    assert caught.value.message.startswith(f"{path}:3: ")
    assert message in caught.value.message


@pytest.mark.parametrize(
    "line", [b"[]", b"null", b"{", b"\xff\xfe{", b"[" * 100_000, b'{"id": "s"', b"1" * 5000]
)
def test_a_line_that_is_not_an_object_is_refused(tmp_path, line):
    """It may be broken text, nested too deeply, or a huge number."""
    path = tmp_path / "m.jsonl"
    path.write_bytes(line)
    with pytest.raises(InvalidRequest, match=r"m\.jsonl:1"):
        list(read_manifest(path))


def test_unknown_members_are_ignored(tmp_path):
    """So a manifest of a later version can be read."""
    path = tmp_path / "m.jsonl"
    path.write_bytes(json.dumps(json.loads(GOOD) | {"mood": "new"}).encode())
    assert next(read_manifest(path)) == replace(ManifestEntry.from_json(GOOD))


def test_a_missing_manifest_is_refused(tmp_path):
    """The message has the path and the reason."""
    with pytest.raises(InvalidRequest, match=r"gone\.jsonl can't be read: No such file"):
        list(read_manifest(tmp_path / "gone.jsonl"))
