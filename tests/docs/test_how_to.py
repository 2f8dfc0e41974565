"""The how-tos that need more than an interpreter: a clone, a bucket, or another package.

Their other examples are run by test_examples.py.
"""

import json
import os
import re
from pathlib import Path

import mcp
import pytest
from tests.clients import install
from tests.support.documents import ROOT, fences
from tests.support.seaweed import serve_seaweed

import stills

HOW_TO = ROOT / "docs" / "how-to"
FOLDERS_AS_BROKER = """
app.conf.broker_transport_options = {
    "data_folder_in": "queue", "data_folder_out": "queue", "control_folder": "queue"
}
"""
JUPYTER = """
import asyncio, json
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

async def main():
    shell = InteractiveShell.instance()
    for cell in json.load(open("cells.json")):
        with capture_output() as captured:
            code = shell.transform_cell(cell)
            ended = await shell.run_cell_async(cell, transformed_cell=code)
        ended.raise_error()
        shown = [output.data for output in captured.outputs]
        shown += [shell.display_formatter.format(ended.result)[0]] if ended.result else []
        print(sum("image/png" in data for data in shown), "pictures")

asyncio.run(main())
"""


@pytest.fixture
def other_packages() -> dict[str, str]:
    """Variables for the venv that has Celery and IPython, which get Stills from this one."""
    here = [Path(stills.__file__).parents[1], Path(mcp.__file__).parents[1]]
    return {"PYTHONPATH": os.pathsep.join(map(str, here)), "IPYTHONDIR": "ipython"}


def test_the_skill_works_where_agents_look_for_it(run):
    """Copied as the page says, its script generates an image."""
    for block in fences(HOW_TO / "agents.md", "bash"):
        printed = run("bash", "-euc", block.replace("/path/to/clone", str(ROOT)))
    assert printed.endswith(".png\n")


def test_images_are_stored_in_a_bucket(run, tmp_path):
    """The commands of the page store an image in S3, find it there again, and check it."""
    account, commands, _ = fences(HOW_TO / "s3.md", "bash")
    store = re.search("^export STILLS_STORE=.*$", account, re.MULTILINE)[0]
    with serve_seaweed(tmp_path) as variables:
        printed = run("bash", "-euc", f"{store}\n{commands}", **variables)
    assert "X-Amz-Signature" in printed  # the link is signed
    assert printed.endswith("checked, nothing wrong\n")


def test_a_worker_of_celery_makes_a_frame(run, other_packages):
    """In a forked worker, which the page's own command starts; with folders as the broker."""
    (program,) = fences(HOW_TO / "celery.md", 'py title="film.py"')
    (start,) = fences(HOW_TO / "celery.md", "bash")
    program = program.replace('broker="redis://localhost"', 'broker="filesystem://"')
    program = program.replace('backend="redis://localhost"', 'backend="file://results"')
    (run.folder / "film.py").write_text(program + FOLDERS_AS_BROKER, encoding="utf-8")
    for folder in ("queue", "results"):
        (run.folder / folder).mkdir()
    programs = install.venv("how-to") / "bin"
    ask = "import film; print(film.make_frame.delay('a red kite').get(timeout=50))"
    command = f'{programs}/{start.strip()} & {programs}/python -c "{ask}"; kill $!; wait'
    assert "\nfile:///" in run("bash", "-euc", command, **other_packages)


def test_a_notebook_shows_pictures(run, other_packages):
    """The cells of the page run in one notebook, and results are shown as pictures."""
    cells = fences(HOW_TO / "jupyter.md", "py")
    (run.folder / "cells.json").write_text(json.dumps(cells), encoding="utf-8")
    python = install.venv("how-to") / "bin" / "python"
    assert (
        run(str(python), "-c", JUPYTER, **other_packages) == "1 pictures\n3 pictures\n0 pictures\n"
    )
