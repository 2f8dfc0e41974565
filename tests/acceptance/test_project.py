"""One project, one catalog: the same command in any of its folders is billed once."""

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
