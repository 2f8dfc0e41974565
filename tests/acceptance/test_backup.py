"""The backup of a catalog is restored with the commands of docs/scale.md."""

import json
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from tests.support.documents import ROOT, fences

COMMANDS = fences(ROOT / "docs" / "scale.md", "bash")
SHOTS = ("a red kite", "a blue kite", "a green kite")


@pytest.fixture(params=["sqlite", "postgres"])
def catalog(request: pytest.FixtureRequest, tmp_path: Path) -> Mapping[str, str]:
    """The variables of a catalog, and the programs for it."""
    if request.param == "sqlite":
        return {"STILLS_CATALOG": str(tmp_path / "stills.db")}
    url, server = (request.getfixturevalue(name) for name in ("postgres_url", "postgres_server"))
    return {"STILLS_CATALOG": url.secret, "PATH": f"{server.bin}:"}


@pytest.fixture
def shell(command, catalog, environment, service, tmp_path: Path) -> Callable[[str], str]:
    """Run the document's block that begins with some words; returns what it prints."""
    stills = tmp_path / "stills"
    stills.write_text(f'#!/bin/sh\nexec {" ".join(command)} "$@"\n')
    stills.chmod(0o755)
    path = f"{catalog.get('PATH', '')}{tmp_path}:{environment['PATH']}"

    def run_block(start: str) -> str:
        (block,) = (each for each in COMMANDS if each.startswith(start))
        done = subprocess.run(
            ["bash", "-euc", block],
            env={**environment, **service.variables, **catalog, "PATH": path},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run_block


@pytest.fixture
def pay(run, catalog, service) -> Callable[..., Mapping[str, object]]:
    """Generate an image; returns the result."""

    def generate(prompt: str, size: str = "1328*1328") -> Mapping[str, object]:
        variables = service.variables | {"STILLS_CATALOG": catalog["STILLS_CATALOG"]}
        done = run("generate", prompt, "--size", size, "--json", variables=variables)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return generate


def test_after_a_restore_nothing_is_paid_for_twice(shell, pay, catalog, service, run):
    """`recover --rebuild` finds the images that are newer than the backup, and their cost."""
    is_sqlite = "PATH" not in catalog
    first = pay(SHOTS[0])
    shell("sqlite3 " if is_sqlite else "pg_dump ")
    made = [first, *(pay(prompt) for prompt in SHOTS[1:]), pay(SHOTS[0], "512*512")]

    shell("rm -f " if is_sqlite else "pg_restore ")
    listed = {"STILLS_CATALOG": catalog["STILLS_CATALOG"]}
    assert len(run("list", "--json", variables=listed).stdout.splitlines()) == 1
    assert "nothing wrong" in shell("stills recover --rebuild")

    again = [pay(prompt) for prompt in SHOTS]
    again.append(pay(SHOTS[0], "512*512"))
    assert [each["cached"] for each in again] == [True] * 4
    assert [each["id"] for each in again] == [each["id"] for each in made]
    spend = json.loads(run("spend", "--json", variables=listed).stdout)
    assert (spend["billed"], spend["possible"]) == (service.billed(), 0) == (3, 0)
