"""`stills export ID… -o DIR` and `stills import DIR`: images from one catalog to another."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

KITE = ("generate", "a red kite", "--size", "512*512", "--seed", "1", "--json")


@pytest.fixture
def elsewhere(tmp_path, service) -> dict[str, str]:
    """The variables of another catalog and store, with the same service."""
    return service.variables | {"OUTPUT_DIR": str(tmp_path / "elsewhere")}


@pytest.fixture
def exported(run, service, tmp_path) -> Path:
    """A folder with one exported image that was scaled."""
    made = json.loads(run(*KITE, variables=service.variables).stdout)
    done = run("export", made["id"][:8], "-o", "parcel")
    assert (done.returncode, done.stderr) == (0, "")
    return tmp_path / "parcel"


def read_all(folder: Path) -> dict[str, bytes]:
    """Return the contents of the files in a folder, by path."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def test_an_imported_image_answers_its_request_without_being_billed(
    run, exported, elsewhere, service
):
    """In both sizes; the ledger there has no call, spending is nothing, and verify is content."""
    before = read_all(exported)
    done = run("import", "parcel", variables=elsewhere)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "1 image imported, 0 here already, 0 skipped\n"
    here, there = (
        json.loads(run(*KITE, variables=one).stdout) for one in (service.variables, elsewhere)
    )
    assert (there["cached"], there["id"], there["seed"]) == (True, here["id"], 1)
    assert Path(there["image_url"][7:]).read_bytes() == Path(here["image_url"][7:]).read_bytes()
    assert service.billed() == 1
    assert "billed 1" not in run("spend", variables=elsewhere).stdout
    shown = json.loads(run("show", there["id"], "--json", variables=elsewhere).stdout)
    assert shown["sends"] == []
    assert run("verify", variables=elsewhere).returncode == 0
    assert read_all(exported) == before


def test_an_import_that_is_repeated_changes_nothing(run, exported, elsewhere, tmp_path):
    """Also after a rebuild of the catalog, which does not make it look billed."""
    assert exported.is_dir()
    assert run("import", "parcel", variables=elsewhere).returncode == 0
    stored = read_all(tmp_path / "elsewhere" / "ai-image-qwen-image" / "images")
    again = run("import", "parcel", variables=elsewhere)
    assert again.stdout == "0 images imported, 1 here already, 0 skipped\n"
    assert read_all(tmp_path / "elsewhere" / "ai-image-qwen-image" / "images") == stored
    for file in (tmp_path / "elsewhere" / "ai-image-qwen-image").glob("stills.db*"):
        file.unlink()
    assert run("recover", "--rebuild", variables=elsewhere).returncode == 0
    assert run("spend", variables=elsewhere).stdout == "nothing was billed or saved\n"
    assert "1 here already" in run("import", "parcel", variables=elsewhere).stdout


def test_a_deleted_image_comes_back(run, exported, service):
    """It was exported before; its own calls stay in the ledger, and no other is added."""
    image = json.loads(run(*KITE, variables=service.variables).stdout)["id"]
    spent = json.loads(run("spend", "--json").stdout)
    assert run("rm", image, "--yes").returncode == 0
    assert run("import", str(exported)).stdout.startswith("1 image imported")
    assert json.loads(run(*KITE, variables=service.variables).stdout)["cached"]
    assert service.billed() == 1
    after = json.loads(run("spend", "--json").stdout)
    assert (after["billed"], after["billed_usd"]) == (spent["billed"], spent["billed_usd"])


def test_the_store_of_another_catalog_can_be_imported(run, service, elsewhere, tmp_path):
    """Its layout is that of an exported folder. Images with a newer one for their request too."""
    for options in ((), ("--fresh",)):
        assert run(*KITE, *options, variables=service.variables).returncode == 0
    newest = json.loads(run(*KITE, variables=service.variables).stdout)["id"]
    store = tmp_path / "output" / "ai-image-qwen-image" / "images"
    done = run("import", str(store), variables=elsewhere)
    assert done.stdout == "2 images imported, 0 here already, 0 skipped\n"
    assert json.loads(run(*KITE, variables=elsewhere).stdout)["id"] == newest
    assert service.billed() == 2


def test_an_image_that_was_paid_for_here_stays_the_answer(run, exported, elsewhere):
    """An import must not change what requests get."""
    own = json.loads(run(*KITE, variables=elsewhere).stdout)["id"]
    done = run("import", str(exported), variables=elsewhere)
    assert done.returncode == 1
    assert f"its request already has the image {own.partition('-')[0]} here" in done.stdout
    assert json.loads(run(*KITE, variables=elsewhere).stdout)["id"] == own


def test_an_export_replaces_no_other_file(run, service, exported):
    """Equal files stay as they are."""
    image = json.loads(run(*KITE, variables=service.variables).stdout)["id"]
    times = {path: path.stat().st_mtime_ns for path in exported.rglob("*")}
    again = run("export", image, "-o", str(exported))
    assert again.returncode == 0
    assert {path: path.stat().st_mtime_ns for path in exported.rglob("*")} == times
    path = Path(again.stdout.rstrip("\n"))
    path.write_bytes(b"mine")
    refused = run("export", image, "-o", str(exported))
    assert refused.returncode == 7
    assert "is another file, so it was not replaced" in refused.stderr
    assert path.read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["parcel"], "parcel is a folder, but --to is missing"),
        (["parcel", "-o", "other"], "Add --to"),
        (["3f9a"], "the folder for the copies is missing"),
        (["3f9a", "-o", ""], "the folder for the copies is missing"),
        (["3f9a", "-o", "other", "--force"], "--force is for a batch's folder"),
        (["a", "b", "--to", "otio"], "--to hands over one batch"),
        (["3f9a", "-o", "other"], "no image has an id that starts with '3f9a'"),
    ],
)
def test_what_could_mean_two_things_is_an_error(run, tmp_path, arguments, says):
    """A folder needs --to, and images need -o."""
    (tmp_path / "parcel").mkdir()
    done = run("export", *arguments)
    assert done.returncode == 2
    assert says in done.stderr
    assert not (tmp_path / "other").exists()


def test_a_folder_without_sidecars_is_refused(run, tmp_path):
    """Such as one that is missing, or that has only pictures."""
    (tmp_path / "pictures").mkdir()
    for name in ("pictures", "nowhere"):
        done = run("import", name)
        assert done.returncode == 2
        assert "Give a folder that `stills export` wrote" in done.stderr


def test_images_go_from_bucket_to_bucket(run, bucket, service, tmp_path):
    """Through a folder on this machine."""
    here = service.variables | bucket
    made = json.loads(run(*KITE, variables=here).stdout)
    assert run("export", made["id"], "-o", "parcel", variables=here).returncode == 0
    there = here | {
        "OUTPUT_DIR": str(tmp_path / "elsewhere"), "STILLS_STORE": f"{bucket['STILLS_STORE']}2",
    }  # fmt: skip
    assert run("import", "parcel", variables=there).returncode == 0
    assert json.loads(run(*KITE, variables=there).stdout)["cached"]
    assert service.billed() == 1


def test_a_killed_import_is_repeated(
    run, command, environment, service, elsewhere, wait_until, tmp_path
):
    """Every image is imported then, and none twice."""
    prompts = [f"kite {number}" for number in range(6)]
    for prompt in prompts:
        assert (
            run("generate", prompt, "--size", "64*64", variables=service.variables).returncode == 0
        )
    store = tmp_path / "output" / "ai-image-qwen-image" / "images"
    target = tmp_path / "elsewhere" / "ai-image-qwen-image" / "images"
    process = subprocess.Popen(
        [*command, "import", str(store)], env=environment | elsewhere, cwd=tmp_path,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    wait_until(lambda: list(target.glob("*.png")) or process.poll() is not None)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(timeout=20)
    assert run("import", str(store), variables=elsewhere).returncode == 0
    listed = run("list", "--json", variables=elsewhere).stdout.splitlines()
    assert sorted(json.loads(line)["prompt"] for line in listed) == prompts
    assert run("verify", variables=elsewhere).returncode == 0
    assert run("spend", variables=elsewhere).stdout == "nothing was billed or saved\n"
