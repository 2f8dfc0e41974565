"""File names are UTF-8 in every locale, so every process finds what another wrote."""

import json
import os
import subprocess
from pathlib import Path

import pytest

PROMPT = "Kühlschrank, красный змей, 红风筝"
ENCODINGS = {
    "latin-1": ("de_DE", "ISO-8859-1"),
    "koi8-r": ("ru_RU", "KOI8-R"),
    "gbk": ("zh_CN", "GBK"),
}


@pytest.fixture(scope="session")
def locales(tmp_path_factory) -> Path:
    """A folder of locales, built for the test."""
    folder = tmp_path_factory.mktemp("locales")
    for name, (language, charmap) in ENCODINGS.items():
        made = subprocess.run(
            ["localedef", "-i", language, "-f", charmap, str(folder / name)],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert (folder / name).is_dir(), made.stderr
    return folder


@pytest.fixture(params=[*ENCODINGS, "C"])
def locale(request, locales: Path) -> dict[str, str]:
    """The variables of one locale, with UTF-8 mode off."""
    return {
        "LC_ALL": request.param,
        "LOCPATH": str(locales),
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
    }


@pytest.fixture
def run_in(command, environment, tmp_path):
    """Run `stills` with these variables; its output is bytes."""

    def run(variables: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [*command, *arguments], env=environment | variables, cwd=tmp_path,
            stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False,
        )  # fmt: skip

    return run


def test_an_image_stored_in_one_locale_is_found_in_every_other(run_in, service, locale, tmp_path):
    """It is billed once; the printed path is the file, named after the prompt in UTF-8."""
    request = tmp_path / "request.json"
    request.write_text(json.dumps({"prompt": PROMPT, "size": "512*512"}), encoding="utf-8")
    variables = locale | service.variables
    first = run_in(variables, "generate", "--file", "request.json", "--output", "out.png")
    assert first.returncode == 0, first.stderr
    written = first.stdout.rstrip(b"\n")
    assert "красный-змей-红风筝" in written.decode()
    assert Path(os.fsdecode(written)).read_bytes() == (tmp_path / "out.png").read_bytes()
    as_json = run_in(locale, "list", "--json")
    listed = run_in(locale, "list", "--paths")
    assert (listed.stdout, listed.stderr) == (first.stdout, b"")
    opened = run_in(locale, "open", json.loads(as_json.stdout)["id"])
    assert (opened.returncode, opened.stdout) == (0, first.stdout), opened.stderr
    for again in (variables, service.variables | {"LC_ALL": "C.UTF-8"}):
        repeated = run_in(again, "generate", "--file", "request.json")
        assert (repeated.returncode, repeated.stdout) == (0, first.stdout), repeated.stderr
    assert run_in(locale, "verify").returncode == 0
    assert service.billed() == 1


def test_a_batch_made_in_one_locale_is_complete_in_every_other(run_in, service, locale, tmp_path):
    """Images are named by shot id in UTF-8, and a second run finds them all."""
    ids = ["kühl", "змей", "红风筝"]
    rows = [{"id": one, "prompt": one, "size": "512*512"} for one in ids]
    rows.append({"id": "last", "prompt": "last", "size": "512*512", "reference_shot": "kühl"})
    model = ("--model", "qwen-image-2.0")
    shots = tmp_path / "shots.jsonl"
    shots.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    variables = locale | service.variables
    done = run_in(variables, "batch", "shots.jsonl", "-o", "out", "--yes", *model)
    assert done.returncode == 0, done.stderr
    images = {entry.name for entry in os.scandir(os.fsencode(tmp_path / "out" / "images"))}
    assert images == {f"{one}.png".encode() for one in (*ids, "last")}
    for again in (variables, service.variables | {"LC_ALL": "C.UTF-8"}):
        retried = run_in(
            again, "batch", "shots.jsonl", "-o", "out", "--yes", "--retry-failed", *model
        )
        assert retried.returncode == 0, retried.stderr
        assert b"4 done earlier" in retried.stderr
    assert service.billed() == 4
