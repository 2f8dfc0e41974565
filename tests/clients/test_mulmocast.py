"""MulmoCast makes the images of a film with two characters through `stills serve`."""

import json
import shutil
import subprocess
import urllib.request

import pytest
import pyvips
from tests.clients import install
from tests.clients.matrix import shows


@pytest.fixture(scope="module")
def images(tmp_path_factory, home, service):
    """The folder of the images of node/mulmocast/film.json."""
    folder = tmp_path_factory.mktemp("film")
    shutil.copy2(install.HERE / "node" / "mulmocast" / "film.json", folder)
    program = install.node_folder("mulmocast") / "node_modules" / ".bin" / "mulmo"
    ended = subprocess.run(
        [str(install.node()), str(program), "images", "film.json", "--outdir", "out"],
        env=home | {"OPENAI_API_KEY": "any", "OPENAI_BASE_URL": f"{service.url}/v1"},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return folder / "out" / "images" / "film"


@shows("portraits of characters, and shots", "mulmocast")
def test_each_character_and_each_shot_is_an_image(images):
    """The canvas is landscape, so each has OpenAI's landscape size."""
    sizes = {
        path.stem: (image.width, image.height)
        for path in images.glob("*.png")
        for image in [pyvips.Image.new_from_file(str(path))]
    }
    assert sizes == dict.fromkeys(("ann", "bob", "0p", "1p"), (1536, 1024))


@shows("shots with several characters as references", "mulmocast")
@pytest.mark.usefixtures("images")
def test_a_shot_with_two_characters_has_two_references(service):
    """MulmoCast sends their portraits as files of an edit."""
    with urllib.request.urlopen(f"{service.url}/v1/images?q=pier", timeout=20) as answer:
        (shot,) = json.load(answer)["data"]
    assert len(shot["references"]) == 2
