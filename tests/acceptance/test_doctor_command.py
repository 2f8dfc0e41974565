"""`stills doctor`: what it finds, what it advises, and that it never prints a key."""

import json

import pytest


@pytest.fixture
def examine(run):
    """Run it as JSON; returns its exit code, and the checks by name."""

    def start(*options, **variables):
        done = run("doctor", "--json", *options, variables=variables)
        return done.returncode, {check["name"]: check for check in json.loads(done.stdout)}

    return start


def test_a_machine_without_a_key_is_told_where_to_put_one(examine):
    """Nothing else fails in an empty home, and nothing is created there."""
    code, checks = examine()
    assert code == 3
    assert [name for name, check in checks.items() if check["state"] == "failed"] == ["key"]
    assert "DASHSCOPE_API_KEY" in checks["key"]["action"]
    assert checks["catalog"]["found"].startswith("none yet; the first image creates ")


def test_a_place_that_cannot_be_written_is_a_failure(examine, tmp_path):
    """The catalog and the store would be created there, so no image could be stored."""
    (tmp_path / "file").write_bytes(b"")
    code, checks = examine(OUTPUT_DIR=str(tmp_path / "file" / "below"), DASHSCOPE_API_KEY="sk-1")
    assert code == 7
    assert [name for name, check in checks.items() if check["code"]] == ["catalog", "store"]
    assert "OUTPUT_DIR" in checks["store"]["action"]


def test_looking_creates_nothing(examine, tmp_path):
    """A doctor that creates a catalog would hide that there was none."""
    before = {path for path in tmp_path.rglob("*") if path.name != "home"}
    examine()
    assert {path for path in tmp_path.rglob("*") if path.name != "home"} == before


def test_everything_is_well_with_a_service(run, examine, service):
    """Online, the service is asked for its models; nothing is billed."""
    assert run("generate", "a kite", "--size", "64*64", variables=service.variables).returncode == 0
    code, checks = examine("--online", **service.variables)
    assert code == 0
    assert checks["service"]["state"] == "ok"
    assert checks["catalog"]["state"] == "ok"
    assert service.variables["DASHSCOPE_HTTP_BASE_URL"] in checks["key"]["found"]
    assert service.billed() == 1


@pytest.mark.parametrize("place", ["variable", "profile", "dotenv", "sdk"])
def test_the_place_of_the_key_is_shown_and_not_the_key(run, environment, tmp_path, place):
    """A key may be in a file that its owner has forgotten."""
    key, variables = "sk-0123456789abcdef", {}
    home = tmp_path / "home" if "HOME" not in environment else environment["HOME"]
    home = type(tmp_path)(home)
    files = {
        "profile": home / ".alibabacloud" / "credentials",
        "dotenv": tmp_path / ".env",
        "sdk": home / ".dashscope" / "api_key",
    }
    texts = {"profile": f"[default]\ndashscope_api_key = {key}\n", "sdk": key}
    if place == "variable":
        variables["DASHSCOPE_API_KEY"] = key
    else:
        files[place].parent.mkdir(parents=True, exist_ok=True)
        files[place].write_text(texts.get(place, f"DASHSCOPE_API_KEY={key}\n"), encoding="utf-8")
    done = run("doctor", variables=variables)
    assert done.returncode == 0, done.stdout
    assert key not in done.stdout + done.stderr
    assert (str(files[place]) if place in files else "DASHSCOPE_API_KEY") in done.stdout


def test_a_service_that_is_away_is_one_line(examine):
    """It ends by itself, with the exit code of the failure."""
    code, checks = examine(
        "--online", DASHSCOPE_API_KEY="sk-1", DASHSCOPE_HTTP_BASE_URL="http://127.0.0.1:9"
    )
    assert code == 5
    assert "no connection" in checks["service"]["found"]


def test_a_retired_model_is_a_warning(examine):
    """Its successor is named; the exit code is that of failures only."""
    code, checks = examine(DASHSCOPE_API_KEY="sk-1")
    assert code == 0
    assert checks["model"]["state"] == "warning"
    assert "qwen-image-2.0" in checks["model"]["action"]


@pytest.fixture
def made(run, service):
    """One image; the store is in `images` next to the catalog."""
    assert run("generate", "a kite", "--size", "64*64", variables=service.variables).returncode == 0


@pytest.mark.usefixtures("made")
def test_a_disk_that_is_not_mounted_is_a_problem_of_the_store(examine, tmp_path):
    """The catalog itself has none, and the advice is about the disk."""
    stills = tmp_path / "output" / "ai-image-qwen-image"
    (stills / "images").rename(tmp_path / "away")
    _, checks = examine()
    assert (checks["catalog"]["state"], checks["store"]["state"]) == ("ok", "failed")
    assert "disk may be unmounted" in checks["store"]["found"]


@pytest.mark.usefixtures("made")
def test_a_damaged_catalog_is_reported_once(examine, tmp_path):
    """The store has no problem of its own."""
    (tmp_path / "output" / "ai-image-qwen-image" / "stills.db").write_bytes(b"damaged" * 999)
    code, checks = examine(DASHSCOPE_API_KEY="sk-1")
    assert (code, checks["catalog"]["state"], checks["store"]["state"]) == (7, "failed", "ok")


def test_a_bucket_is_looked_at_without_a_catalog(examine, bucket, tmp_path):
    """Nothing is created, neither in it nor here."""
    variables = {"DASHSCOPE_API_KEY": "sk-1", **bucket}
    code, checks = examine(**variables)
    assert (code, checks["store"]["state"], checks["catalog"]["state"]) == (0, "ok", "ok")
    assert not (tmp_path / "output").exists()


def test_a_folder_that_can_t_be_looked_at_is_one_line(examine):
    """A name that is too long, or a folder of another user."""
    code, checks = examine(DASHSCOPE_API_KEY="sk-1", STILLS_SPOOL="/tmp/" + "a" * 300)
    assert (code, checks["spool"]["state"]) == (7, "failed")
    assert "can't be written" in checks["spool"]["found"]
