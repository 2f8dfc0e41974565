"""Which folder is the project of the current one."""

import os
from pathlib import Path

import pytest

from stills.config import read_config
from stills.project.find import Project, Unused, find_project

CATALOG = Path("output", "ai-image-qwen-image", "stills.db")


@pytest.fixture
def home(tmp_path):
    """An empty home folder, next to the project."""
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def film(tmp_path):
    """The folder of a film, with a folder for shots."""
    (tmp_path / "film" / "shots").mkdir(parents=True)
    return tmp_path / "film"


@pytest.fixture
def give_away(monkeypatch):
    """Make files belong to another user than the one who runs Stills."""

    def give(*paths):
        if os.geteuid() == 0:
            for path in paths:
                os.chown(path, 4711, -1)
        else:
            monkeypatch.setattr("os.getuid", lambda: 4711)

    return give


def mark(folder):
    (folder / "stills.toml").write_text("", encoding="utf-8")
    return folder / "stills.toml"


def add_catalog(folder):
    catalog = folder / CATALOG
    catalog.parent.mkdir(parents=True)
    catalog.write_bytes(b"")
    return catalog


def test_a_folder_without_project_is_its_own(film, home):
    """Then everything is in `output` of the current folder, as in the contract."""
    assert find_project(film, home) == Project()
    assert Project().output == Path("output")


def test_a_file_marks_the_project_for_all_folders_below(film, home):
    """Its default output folder is next to the file."""
    file = mark(film)
    found = find_project(film / "shots", home)
    assert found == Project(film, file)
    assert found.output == film / "output"
    assert find_project(film, home) == Project(None, file)


def test_a_catalog_marks_the_project_for_all_folders_below(film, home):
    """Nobody has to write a file to use one catalog."""
    add_catalog(film)
    assert find_project(film / "shots", home) == Project(film)
    assert find_project(film, home) == Project()


def test_the_nearest_catalog_counts(film, home):
    """A project inside another one keeps its own."""
    add_catalog(film)
    add_catalog(film / "shots")
    assert find_project(film / "shots", home) == Project()


def test_the_nearest_file_counts_and_nothing_is_merged(film, home):
    """Each part of a monorepo has settings of its own."""
    mark(film)
    inner = mark(film / "shots")
    assert find_project(film / "shots", home) == Project(None, inner)


def test_a_file_counts_more_than_a_catalog_below_it(film, home):
    """The file says where the catalog is, so the other one is noted as unused."""
    file, other = mark(film), add_catalog(film / "shots")
    found = find_project(film / "shots", home)
    assert found == Project(film, file, (Unused(other, f"{file} decides"),))


def test_the_search_ends_at_the_root_of_a_repository(film, home):
    """A cloned repository doesn't join the project around it; its own root counts."""
    mark(film)
    (film / "shots" / ".git").mkdir()
    (film / "shots" / "one").mkdir()
    assert find_project(film / "shots" / "one", home) == Project()
    file = mark(film / "shots")
    assert find_project(film / "shots" / "one", home) == Project(film / "shots", file)


def test_a_home_folder_is_no_project_for_the_folders_below_it(home):
    """One command that ran there by mistake must not claim every project of a user."""
    file = mark(home)
    add_catalog(home)
    (home / "film").mkdir()
    assert find_project(home / "film", home) == Project()
    assert find_project(home, home) == Project(None, file)


def test_the_search_does_not_leave_the_home_folder(tmp_path, home):
    """What is above it is not the user's."""
    mark(tmp_path)
    assert find_project(home, home) == Project()


def test_a_home_with_a_symbolic_link_in_its_path_is_recognized(tmp_path, home):
    """The current folder has none in its path, but HOME may."""
    mark(home)
    (home / "film").mkdir()
    (tmp_path / "link").symlink_to(home)
    assert find_project(home / "film", tmp_path / "link") == Project()


def test_a_folder_that_everybody_may_write_to_is_not_searched(film, home, tmp_path):
    """Anyone can put a file into /tmp."""
    mark(film)
    film.chmod(0o1777)
    assert find_project(film / "shots", home) == Project()
    mark(tmp_path)
    assert find_project(film / "shots", home) == Project()


@pytest.mark.parametrize("make", [mark, add_catalog])
def test_files_of_another_user_are_not_used(film, home, give_away, make):
    """They could lead prompts and images away; they are noted."""
    made = make(film)
    give_away(made)
    found = find_project(film / "shots", home)
    assert found == Project(unused=(Unused(made, "it belongs to another user"),))


def test_files_of_the_owner_of_the_current_folder_are_used_there(film, home, give_away):
    """The root user of a container works in a folder of the user outside."""
    file = mark(film)
    give_away(film, file)
    assert find_project(film, home) == Project(None, file)


def test_in_a_folder_for_everybody_only_own_files_are_used(film, home, give_away):
    """In /tmp itself, the file of a stranger has no effect."""
    file = mark(film)
    give_away(film, file)
    film.chmod(0o1777)
    unused = Unused(file, "it belongs to another user")
    assert find_project(film, home) == Project(unused=(unused,))


def test_only_regular_files_count(film, home):
    """A folder, as Docker mounts a missing file, and a broken link are named as not used."""
    folder, link = film / "stills.toml", film / "shots" / "stills.toml"
    folder.mkdir()
    link.symlink_to("missing")
    unused = tuple(Unused(one, "it is not a regular file") for one in (link, folder))
    assert find_project(film / "shots", home) == Project(unused=unused)


def test_a_folder_that_can_not_be_searched_is_passed_over(film, home, monkeypatch):
    """Its owner may hide what is in it; the search goes on above."""
    file = mark(film)
    mark(film / "shots")
    (film / "shots" / "one").mkdir()
    stat = Path.stat

    def refuse(path, **options):
        if path.parent == film / "shots" and path.name != "one":
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, **options)

    monkeypatch.setattr(Path, "stat", refuse)
    assert find_project(film / "shots" / "one", home) == Project(film, file)


def test_a_link_to_the_output_folder_marks_the_project(film, home, tmp_path):
    """Images are often on another disk."""
    (tmp_path / "disk").mkdir()
    (film / "output").symlink_to(tmp_path / "disk")
    add_catalog(film)
    assert find_project(film / "shots", home) == Project(film)


def add_key_file(folder):
    (folder / ".env").write_text("DASHSCOPE_API_KEY=sk-a", encoding="utf-8")
    return folder / ".env"


def test_the_key_is_looked_for_here_in_the_project_and_in_the_repository(film, home, tmp_path):
    """All folders of a project use the same key; other folders on the way up don't count."""
    mark(film)
    (tmp_path / ".git").mkdir()
    folder = film / "shots" / "one"
    folder.mkdir()
    add_key_file(film / "shots")
    expected = tuple(add_key_file(one) for one in (folder, film, tmp_path))
    assert find_project(folder, home).key_files == expected
    assert find_project(film, home).key_files == expected[1:]


def test_a_key_above_the_repository_is_not_used(film, home, tmp_path):
    """The search ends at the root, so a folder above it can't choose the account."""
    add_key_file(tmp_path)
    (film / ".git").mkdir()
    assert find_project(film / "shots", home).key_files == ()


def test_a_key_file_of_another_user_is_not_used(film, home, tmp_path, give_away):
    """Its base URL would get the prompts of this user."""
    (tmp_path / ".git").mkdir()
    file = add_key_file(tmp_path)
    give_away(file)
    found = find_project(film, home)
    assert found == Project(unused=(Unused(file, "it belongs to another user"),))


def test_a_folder_for_everybody_is_no_repository(film, home, tmp_path):
    """Anybody can put a repository with a key into a folder such as /tmp."""
    (tmp_path / ".git").mkdir()
    add_key_file(tmp_path)
    tmp_path.chmod(0o777)
    assert find_project(film, home).key_files == ()


def test_without_a_current_folder_there_is_no_project(home):
    """It was deleted."""
    assert find_project(None, home) == Project()


def test_the_configuration_uses_the_project(film, home, monkeypatch):
    """Paths are complete, so that an error that names them is right from every folder."""
    mark(film)
    monkeypatch.chdir(film / "shots")
    config = read_config({"HOME": str(home)})
    assert config.catalog == film / CATALOG
    assert config.store == str(film / CATALOG.with_name("images"))


def test_a_folder_in_the_environment_counts_more_than_the_project(film, home, monkeypatch):
    """It is relative to the current folder, as before."""
    mark(film)
    monkeypatch.chdir(film / "shots")
    config = read_config({"HOME": str(home), "OUTPUT_DIR": "out"})
    assert config.catalog == Path("out", "ai-image-qwen-image", "stills.db")


def test_a_deleted_folder_has_no_project(film, home, monkeypatch):
    """Settings are read all the same; a path that is needed fails later."""
    monkeypatch.chdir(film / "shots")
    (film / "shots").rmdir()
    assert read_config({"HOME": str(home)}).project == Project()
