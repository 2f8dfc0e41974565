"""Start-up: a process that only needs the catalog loads little.

Every module costs time in every call of the command. A module that is only needed to generate, or
by another command, is imported where it is used.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import stills
from stills.app import Stills
from stills.contract.request import ImageRequest

SOURCES = Path(stills.__file__).resolve().parents[1]
KITE = ImageRequest(prompt="a red kite", size="512*512", seed=1)

PACKAGES = {
    "api_keys", "app", "assembly", "blocking", "blocking_session", "catalog", "cli", "config",
    "contract", "fresh_process", "imaging", "library", "loop_guard", "model_table", "pipeline",
    "project", "provider", "ratelimit", "shotlist", "store",
}  # fmt: skip
"""What a catalog hit needs of stills. Import anything else where it is used."""

UNUSED = (
    "stills.catalog.postgres", "stills.catalog.search", "stills.catalog.spending",
    "stills.contract.jobs", "stills.contract.models_file", "stills.contract.ports.jobs",
    "stills.contract.search", "stills.contract.spending", "stills.contract.upkeep",
    "stills.imaging.reference", "stills.pipeline.generate_many",
    "stills.project.file", "stills.project.names", "stills.store.bucket",
)  # fmt: skip
"""Parts of these packages that it does not need."""

SLOW = {
    "configparser", "difflib", "email.parser", "http.client", "tempfile", "tomllib", "unittest",
    "urllib.request", "xml.etree", "zipfile",
}  # fmt: skip
"""Modules of the standard library that it does not need, and that take milliseconds to load."""

IMPORT = "import stills"

LIBRARY = """
import stills
request = stills.ImageRequest(prompt="a red kite", size="512*512", seed=1)
assert stills.generate(request, sandbox=True).cached
"""

COMMAND = """
from stills.cli.main import main
assert main(["generate", "a red kite", "--size", "512*512", "--seed", "1", "--sandbox"]) == 0
"""


def load(script: str, environment: dict[str, str]) -> set[str]:
    """Run a script in a new process, and return the modules that it loaded."""
    around = f"""import json, sys
before = set(sys.modules)
{script}
print(json.dumps(sorted(set(sys.modules) - before)))
"""
    done = subprocess.run(
        [sys.executable, "-c", around],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(SOURCES)} | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("script", [IMPORT, LIBRARY, COMMAND], ids=["import", "library", "command"])
async def test_an_answer_from_the_catalog_loads_nothing_it_does_not_need(script: str, tmp_path):
    """Neither the import of Stills nor an answer to a known request does."""
    environment = {"HOME": str(tmp_path / "home"), "OUTPUT_DIR": str(tmp_path / "out")}
    async with Stills.from_env(sandbox=True, environment=environment) as engine:
        await engine.generate(KITE)
    loaded = load(script, environment)
    assert "stills" in loaded
    ours = {name for name in loaded if name.startswith("stills.")}
    unneeded = {name for name in ours if name.split(".")[1] not in PACKAGES}
    unneeded |= {name for name in ours if name.startswith(UNUSED)}
    unneeded |= {name for name in loaded if f"{name}.".startswith(tuple(f"{one}." for one in SLOW))}
    others = {name.partition(".")[0] for name in loaded} - {"stills"} - sys.stdlib_module_names
    assert (unneeded, others) == (set(), set())
