"""One project, one catalog: the same command in any of its folders is billed once."""

import json
import subprocess
from pathlib import Path

import pytest

KITE = ("generate", "a red kite", "--size", "64*64", "--seed", "7")
CATALOG = Path("output", "ai-image-qwen-image", "stills.db")


@pytest.fixture
def film(tmp_path):
    """A project with two folders, in a home folder."""
    for name in ("shots", "portraits"):
        (tmp_path / "home" / "film" / name).mkdir(parents=True)
    return tmp_path / "home" / "film"


@pytest.fixture
def run(command, environment, service):
    """Run `stills` in a folder, on a service that counts what it bills."""
    del environment["OUTPUT_DIR"]

    def run_in(folder, *arguments):
        return subprocess.run(
            [*command, *arguments],
            env=environment | service.variables,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run_in


def test_two_folders_of_a_project_pay_once(run, film, service):
    """The file of the project marks it; its folder has everything."""
    (film / "stills.toml").write_text('output_dir = "renders"\n', encoding="utf-8")
    first = run(film / "shots", *KITE)
    second = run(film / "portraits", *KITE)
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert first.stdout == second.stdout
    assert Path(first.stdout.rstrip("\n")).is_file()
    assert service.billed() == 1
    assert {path.name for path in film.iterdir()} == {
        "renders", "shots", "portraits", "stills.toml",
    }  # fmt: skip
    assert not list((film / "shots").iterdir())


def test_the_first_catalog_of_a_project_is_used_in_the_folders_below_it(run, film, service):
    """Nobody has to write a file."""
    first = run(film, *KITE)
    second = run(film / "shots", *KITE)
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert first.stdout == second.stdout
    assert service.billed() == 1


def test_a_folder_reached_by_a_link_belongs_to_the_project_that_it_is_in(run, film):
    """The link's own place does not count."""
    (film / "stills.toml").touch()
    (film.parent / "elsewhere").mkdir()
    (film.parent / "elsewhere" / "link").symlink_to(film / "shots")
    assert run(film.parent / "elsewhere" / "link", *KITE).returncode == 0
    assert (film / CATALOG).is_file()


def test_a_monorepo_with_two_files_has_two_catalogs(run, film, service):
    """Each is a project of its own, with settings of its own."""
    (film / ".git").mkdir()
    (film / "stills.toml").write_text("budget_usd = 0\n", encoding="utf-8")
    (film / "shots" / "stills.toml").touch()
    assert run(film / "shots", *KITE).returncode == 0
    refused = run(film / "portraits", *KITE)
    assert refused.returncode == 4
    assert "budget" in refused.stderr
    assert service.billed() == 1


def test_a_wrong_file_is_one_line_before_anything_is_sent(run, film, service):
    """It names the file and the line."""
    file = film / "stills.toml"
    file.write_text("\nprice_usd = 0.0\n", encoding="utf-8")
    done = run(film / "shots", *KITE)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"stills: {file}:2: 'price_usd' can't be in a project's file")
    assert done.stderr.count("\n") == 1
    assert service.billed() == 0


def test_a_project_that_is_read_only_still_serves_its_images(run, make_disk, as_root, service):
    """From a folder below it, nothing is written or billed."""
    disk = make_disk(8_000)
    shots = disk / "film" / "shots"
    shots.mkdir(parents=True)
    first = run(disk / "film", *KITE)
    as_root("mount", "-o", "remount,ro", str(disk))
    second = run(shots, *KITE)
    assert (second.returncode, second.stdout) == (0, first.stdout), second.stderr
    assert service.billed() == 1


def test_a_new_catalog_is_announced_once(run, film):
    """Its folder may be the wrong one; standard output has only the image."""
    (film / "stills.toml").touch()
    first = run(film / "shots", *KITE)
    second = run(film / "portraits", *KITE)
    line = f"stills: created the catalog {film / CATALOG}\n"
    assert (first.returncode, second.returncode) == (0, 0)
    assert first.stderr.count(line) == 1
    assert first.stdout == second.stdout
    assert "created" not in second.stderr


def test_a_catalog_that_is_not_used_is_named_with_the_new_one(run, film):
    """A file that is added later leads to another catalog, and images would be billed again."""
    assert run(film / "shots", *KITE).returncode == 0
    (film / "stills.toml").touch()
    done = run(film / "shots", *KITE)
    assert f"stills: created the catalog {film / CATALOG}\n" in done.stderr
    other, file = film / "shots" / CATALOG, film / "stills.toml"
    assert f"stills: {other} is not used: {file} decides\n" in done.stderr


@pytest.mark.parametrize("arguments", [(*KITE, "--json"), ("list", "--json"), ("spend", "--json")])
def test_with_json_nothing_is_announced(run, film, arguments):
    """Programs read the output, and nobody reads the rest."""
    done = run(film, *arguments)
    assert (done.returncode, "created" in done.stderr) == (0, False)


@pytest.mark.parametrize(
    "arguments",
    [("list",), ("spend",), ("show", "aaaa"), ("verify",), ("config",), ("doctor",), ("recover",)],
)
def test_looking_creates_no_catalog(run, film, arguments):
    """In the wrong folder, it would become the catalog of all folders below."""
    done = run(film, *arguments)
    assert done.returncode in {0, 2, 3}, done.stderr
    assert {path.name for path in film.iterdir()} == {"shots", "portraits"}


def test_an_empty_list_and_a_recovery_name_the_catalog(run, film):
    """In the wrong folder, all images seem to be lost."""
    place = str(film / CATALOG)
    assert f"no images are stored yet in {place}" in run(film, "list").stderr
    assert f"there is no catalog at {place}. Run it in the folder" in run(film, "recover").stderr


def test_config_shows_each_value_and_where_it_comes_from(run, film, service):
    """The file is named with its line, and no secret is shown."""
    (film / "stills.toml").write_text("\nconcurrency = 3\n", encoding="utf-8")
    shown = run(film / "shots", "config")
    assert (shown.returncode, shown.stderr) == (0, "")
    found = {line.split()[0]: line.split()[1:] for line in shown.stdout.splitlines()}
    key, url = service.variables["DASHSCOPE_API_KEY"], service.variables["DASHSCOPE_HTTP_BASE_URL"]
    assert key not in shown.stdout
    assert found["project:"] == [str(film / "stills.toml")]
    assert found["DASHSCOPE_API_KEY"] == ["***", "environment"]
    assert found["DASHSCOPE_HTTP_BASE_URL"] == [url, "environment"]
    assert found["STILLS_CONCURRENCY"] == ["3", f"{film / 'stills.toml'}:2"]
    assert found["STILLS_MODEL"] == ["qwen-image-max", "default"]
    assert found["STILLS_CATALOG"] == [str(film / CATALOG), "default"]
    assert not (film / "output").exists()


def test_config_as_json_has_the_same(run, film):
    """Programs find the project and each setting by its variable."""
    (film / "stills.toml").write_text('output_dir = "renders"\n', encoding="utf-8")
    shown = json.loads(run(film / "shots", "config", "--json").stdout)
    assert shown["project"] == {
        "folder": str(film), "file": str(film / "stills.toml"), "unused": [],
    }  # fmt: skip
    settings = {row["variable"]: row for row in shown["settings"]}
    assert settings["OUTPUT_DIR"] == {
        "variable": "OUTPUT_DIR",
        "name": "output_dir",
        "value": str(film / "renders"),
        "origin": f"{film / 'stills.toml'}:1",
    }
    assert settings["STILLS_STORE"]["value"].startswith(str(film / "renders"))
    assert settings["STILLS_STORE"]["origin"] == "OUTPUT_DIR"


def test_the_doctor_names_the_project(run, film):
    """It says which file or folder was found."""
    (film / "stills.toml").touch()
    checks = {
        one["name"]: one for one in json.loads(run(film / "shots", "doctor", "--json").stdout)
    }
    assert (checks["project"]["state"], checks["project"]["found"]) == (
        "ok", str(film / "stills.toml"),
    )  # fmt: skip
    assert str(film / CATALOG) in checks["catalog"]["found"]


def test_a_batch_uses_the_project(run, film, service):
    """All commands follow the same rules."""
    (film / "stills.toml").touch()
    (film / "shots" / "shots.csv").write_text("id,prompt,size,seed\na,a red kite,64*64,7\n")
    assert run(film / "shots", "batch", "shots.csv", "--yes").returncode == 0
    assert run(film / "portraits", *KITE).returncode == 0
    assert service.billed() == 1
    assert not (film / "shots" / "output").exists()
