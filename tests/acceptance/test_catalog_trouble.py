"""Catalog failures as a user sees them: one line, exit code 7, no image lost or paid for twice."""

import json
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest
from tests.support.progress_lines import without_progress

MISSED_BEAT = re.compile(r"^The lease of a claim .*\n", re.MULTILINE)  # if the machine is slow
KITE = ["generate", "a red kite", "--style", "ink", "--seed", "1", "--size", "512*512"]
COMMANDS = [KITE, ["list"], ["spend"], ["verify"], ["recover"]]

# `stills` with a short wait for another program's lock.
HASTY = (
    "import sys; from stills.catalog import schema; schema.LOCK_WAIT_SECONDS = 1.0; "
    "from stills.cli.main import main; sys.exit(main())"
)


@pytest.fixture
def stills(run: Callable[..., object], service) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run `stills` on the service."""

    def call(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return run(*arguments, variables=service.variables | variables)

    return call


@pytest.fixture
def begin(service, environment, tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Start a `stills` that gives up soon on a locked catalog."""

    def start(*arguments: str, **variables: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", HASTY, *arguments],
            env=environment | service.variables | variables,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    """The path of the catalog."""
    return tmp_path / "output" / "ai-image-qwen-image" / "stills.db"


def one_line(code: int, stdout: str, stderr: str) -> str:
    """Check that a storage error is one line with exit code 7, and return it."""
    assert code == 7, stderr
    stderr = MISSED_BEAT.sub("", without_progress(stderr))
    assert stderr.count("\n") == 1, stderr
    assert stderr.startswith("stills: ")
    assert stdout == ""
    return stderr


def refusal(done: subprocess.CompletedProcess[str]) -> str:
    return one_line(done.returncode, done.stdout, done.stderr)


def execute(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize(
    ("statements", "words"),
    [
        (["PRAGMA user_version = 999"], ["newer Stills", "Upgrade", "Nothing was changed"]),
        (["PRAGMA application_id = 7"], ["another program", "STILLS_CATALOG"]),
    ],
    ids=["newer", "foreign"],
)
def test_a_foreign_catalog_is_refused_and_left_unchanged(
    stills, service, catalog: Path, statements: list[str], words: list[str]
):
    """Every command refuses it, even a rebuild, and not a byte changes."""
    stills(*KITE)
    execute(catalog, *statements)
    before = files(catalog.parent)
    for command in [*COMMANDS, ["recover", "--rebuild"]]:
        line = refusal(stills(*command))
        assert all(word in line for word in words)
    assert files(catalog.parent) == before
    assert service.billed() == 1


def test_a_locked_catalog_is_reported_before_anything_is_sent(
    stills, begin, service, catalog: Path
):
    """The error says what to do; once the lock is released, everything works."""
    stills("catalog", "migrate")
    with closing(sqlite3.connect(catalog, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        process = begin(*KITE)
        stdout, stderr = process.communicate(timeout=60)
        other.execute("ROLLBACK")
    line = one_line(process.returncode, stdout, stderr)
    assert "is locked by another process" in line
    assert "Close the program that holds it" in line
    assert service.ledger()["sends"] == []
    assert stills(*KITE).returncode == 0


@pytest.mark.parametrize("way", [["recover", "--rebuild"], None], ids=["rebuild", "retry"])
def test_a_catalog_that_locks_up_after_the_answer_loses_no_image(
    stills, begin, service, wait_until, catalog: Path, way: list[str] | None
):
    """The error says where the paid image is and what to run; a retry then finds it for free."""
    stills("catalog", "migrate")
    service.set_faults({"kind": "slow", "delay_seconds": 2})
    process = begin(*KITE)
    wait_until(lambda: service.ledger()["totals"]["generations"])
    with closing(sqlite3.connect(catalog, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        stdout, stderr = process.communicate(timeout=60)
        other.execute("ROLLBACK")
    line = one_line(process.returncode, stdout, stderr)
    check_that_nothing_is_lost(line, stills, service, way)
    if way is None:
        execute(catalog, "UPDATE claims SET lease_until = 0")  # instead of waiting half a minute
    assert "nothing billed" in stills(*KITE).stderr
    assert service.ledger()["totals"]["generations"] == 1


def test_a_catalog_on_a_disk_that_fills_up_after_the_answer_loses_no_image(
    stills, begin, service, wait_until, make_disk
):
    """The image is in the store; once there is space, `stills recover` adds it to the catalog."""
    small_disk = make_disk(1024)
    place = {"STILLS_CATALOG": str(small_disk / "stills.db")}
    stills("list", **place)
    service.set_faults({"kind": "slow", "delay_seconds": 2})
    process = begin(*KITE, **place)
    wait_until(lambda: service.ledger()["totals"]["generations"])
    fill_up(small_disk)
    stdout, stderr = process.communicate(timeout=60)
    line = one_line(process.returncode, stdout, stderr)
    assert "full" in line
    (small_disk / "filler").unlink()
    execute(small_disk / "stills.db", "UPDATE claims SET lease_until = 0")
    check_that_nothing_is_lost(
        line, lambda *arguments: stills(*arguments, **place), service, ["recover"]
    )
    assert "nothing billed" in stills(*KITE, **place).stderr
    assert service.ledger()["totals"]["generations"] == 1


@pytest.mark.parametrize("trouble", ["full", "read-only"])
def test_stored_images_are_returned_and_shown_when_the_catalog_can_t_be_written(
    stills, service, make_disk, as_root, trouble: str
):
    """The result notes that it was not counted; a command that must write says why it can't."""
    disk = make_disk(4096)
    place = {"STILLS_CATALOG": str(disk / "stills.db")}
    kept = json.loads(stills(*KITE, "--json", **place).stdout)
    if trouble == "full":
        fill_up(disk)
    else:
        as_root("mount", "-o", "remount,ro", str(disk))

    answer = json.loads(stills(*KITE, "--json", **place).stdout)
    assert answer.pop("notes")[-1].endswith("so this answer is not counted in it.")
    free = {"cached": True, "cost_usd": 0.0, "provider_url": None}
    assert answer.items() <= (kept | free).items()
    copied = stills(*KITE, "--output", "copy.png", **place)
    assert copied.returncode == 0, copied.stderr
    for command in (["list"], ["show", kept["id"]], ["spend"], ["verify"]):
        done = stills(*command, **place)
        assert done.returncode == 0, done.stderr

    line = refusal(stills(*KITE[:-1], "1024*1024", "--fresh", **place))
    assert ("no space is left on" if trouble == "full" else "the volume is read-only") in line
    assert service.billed() == 1


def fill_up(disk: Path) -> None:
    with (disk / "filler").open("wb", buffering=0) as filler, suppress(OSError):
        while filler.write(bytes(4096)):
            pass


def check_that_nothing_is_lost(line: str, stills, service, way: list[str] | None) -> None:
    assert "[billed]" in line
    assert "the paid image is safe at file://" in line
    assert "stills recover" in line
    if way is not None:
        done = stills(*way)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "1 image recovered" in done.stdout
    assert service.billed() == 1


# A damaged file


def overwrite_pages(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[4096:] = b"\xa5" * (len(raw) - 4096)
    path.write_bytes(raw)


def overwrite_header(path: Path) -> None:
    path.write_bytes(b"\xa5" * 4096 + path.read_bytes()[4096:])


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:9000])


@pytest.mark.parametrize("damage", [overwrite_pages, overwrite_header, cut_off])
def test_a_damaged_catalog_is_rebuilt_from_the_store(stills, service, catalog: Path, damage):
    """The damage is reported, the file is set aside, and every image is free again."""
    first = json.loads(stills(*KITE, "--json").stdout)
    small = json.loads(stills(*KITE[:-1], "200*200", "--json").stdout)
    shown = json.loads(stills("show", first["id"], "--json").stdout)
    damage(catalog)
    damaged, images = catalog.read_bytes(), files(catalog.parent / "images")

    line = refusal(stills(*KITE))
    assert "is damaged" in line
    assert "images are untouched" in line
    assert "`stills recover --rebuild`" in line
    assert files(catalog.parent / "images") == images
    assert catalog.read_bytes() == damaged

    done = stills("recover", "--rebuild")
    assert done.returncode == 0, done.stderr
    assert "1 image recovered, 0 not" in done.stdout
    (aside,) = catalog.parent.glob("stills.db.damaged-*Z")
    assert f"the damaged catalog was moved to {aside}" in done.stdout
    assert aside.read_bytes() == damaged

    assert "nothing wrong" in stills("verify").stdout
    assert first["id"] in stills("list").stdout
    assert small["id"] in stills("list").stdout
    again = json.loads(stills("show", first["id"], "--json").stdout)
    facts = shown.keys() - {"sends"}
    assert {name: again[name] for name in facts} == {name: shown[name] for name in facts}
    assert (again["prompt"], again["style"], again["seed"]) == ("a red kite", "ink", 1)
    assert [send["billing"] for send in again["sends"]] == ["billed"]
    for answer, size in ((first, "512*512"), (small, "200*200")):
        asked = json.loads(stills(*KITE[:-1], size, "--json").stdout)
        free = {"cached": True, "cost_usd": 0.0, "provider_url": None, "notes": asked["notes"]}
        assert asked == answer | free
        assert set(asked["notes"]) <= set(answer["notes"])  # only a new image warns of its model
    assert "1 = 0.075 USD" in stills("spend").stdout
    assert service.billed() == 1


@pytest.mark.parametrize("trouble", ["missing", "empty", "unreachable"])
def test_a_rebuild_without_its_store_is_refused_and_nothing_is_paid_for_again(
    stills, service, catalog: Path, trouble: str
):
    """The catalog is unchanged, and once the store is back, every image is free again."""
    stills(*KITE)
    images, away = catalog.with_name("images"), catalog.with_name("away")
    images.rename(away)
    if trouble == "empty":
        images.mkdir()
    # No program listens on port 9, so this bucket can't be reached.
    place = {"STILLS_STORE": "s3://a-bucket/images"} if trouble == "unreachable" else {}
    access = {
        "AWS_ENDPOINT": "http://127.0.0.1:9",
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_REGION": "us-east-1",
    }
    line = refusal(stills("recover", "--rebuild", **place, **access))
    if trouble != "unreachable":
        assert "the catalog is unchanged" in line
        assert "STILLS_STORE" in line

    if trouble == "empty":
        images.rmdir()
    away.rename(images)
    assert "nothing billed" in stills(*KITE).stderr
    assert service.billed() == 1


def test_a_rebuild_skips_hostile_sidecars(stills, catalog: Path, tmp_path: Path):
    """It reads the others, and nothing outside the store is read or written."""
    stills(*KITE)
    folder = catalog.parent / "images" / "facts"
    sound = next(folder.glob("*.json"))
    facts = json.loads(sound.read_text())
    hostile = {
        "aaaaaaaaaaaa": b"\x00\xff not JSON",
        "bbbbbbbbbbbb": json.dumps(facts | {"id": 7, "draft": "text"}).encode(),
        "cccccccccccc": json.dumps(facts | {"path": "../../../etc/passwd"}).encode(),
        "dddddddddddd": b"[" * 1_000_000,
        "eeeeeeeeeeee": json.dumps(facts | {"created_at": 1e999}).encode(),
    }
    for name, written in hostile.items():
        (folder / f"{name}.json").write_bytes(written)
    catalog.unlink()
    before = {name: data for name, data in files(tmp_path).items() if "stills.db" not in name}

    done = stills("recover", "--rebuild")
    assert (done.returncode, done.stderr) == (0, "")
    assert "1 image recovered, 0 not" in done.stdout
    assert "nothing billed" in stills(*KITE).stderr
    after = {name: data for name, data in files(tmp_path).items() if "stills.db" not in name}
    assert after == before
