"""`stills models`: the table, and what the service lists."""

import json
import subprocess
import sys

import pytest

from stills.cli.main import main
from stills.contract.models import MODELS
from stills.sandbox import rules as sandbox_rules


@pytest.fixture(autouse=True)
def output_dir(monkeypatch, tmp_path):
    """Run in an empty folder, without a key."""
    monkeypatch.setenv("OUTPUT_DIR", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("DASHSCOPE_API_KEY", raising=False)
    return tmp_path


def test_the_table_has_a_line_for_each_model(capfd):
    """Prices, limits, and which one is retired."""
    assert main(["models"]) == 0
    head, *lines = capfd.readouterr().out.splitlines()
    assert head.split()[:3] == ["model", "sizes", "prompt"]
    assert "served" not in head
    assert [line.split()[0] for line in lines] == list(MODELS)
    by_id = {line.split()[0]: line for line in lines}
    assert "2/min" in by_id["qwen-image-max"]
    assert by_id["qwen-image-max"].endswith("default, retired on 2026-10-10; use qwen-image-2.0")
    assert "0.035 USD (0.2 CNY)" in by_id["qwen-image-2.0"]
    assert (
        "0.04 USD up to 2.25 MP, else 0.075 USD + 0.003 per reference"
        in (by_id["qwen-image-3.0-pro"])
    )
    assert "unknown" in by_id["qwen-image-2.1-pro"]


def test_json_has_everything_that_is_known(capfd):
    """One object for each model; null means unknown."""
    assert main(["models", "--json"]) == 0
    records = {one["id"]: one for one in map(json.loads, capfd.readouterr().out.splitlines())}
    assert list(records) == list(MODELS)
    first, pro = records["qwen-image-max"], records["qwen-image-3.0-pro"]
    assert first["sizes"][0] == "1664*928"
    assert (first["retired_on"], first["successor"]) == ("2026-10-10", "qwen-image-2.0")
    assert [one["id"] for one in records.values() if one["is_default"]] == ["qwen-image-max"]
    assert pro["image_usd"] == [
        {"pixels_max": 2_250_000, "usd": 0.04},
        {"pixels_max": None, "usd": 0.075},
    ]
    assert (pro["input_image_usd"], pro["requests_per_minute"]) == (0.003, 1.0)
    assert records["qwen-image-2.1-pro"]["image_usd"] is None
    assert all(one["source"] and one["checked_on"] for one in records.values())
    assert not any("is_served" in one for one in records.values())


def test_check_asks_the_service_and_pays_nothing(capfd, monkeypatch):
    """A model that the service does not list is marked."""
    rules = {one: sandbox_rules.MODELS[one] for one in MODELS if one != "qwen-image-max"}
    monkeypatch.setattr("stills.sandbox.state.MODELS", rules)
    assert main(["models", "--check", "--sandbox"]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert main(["models", "--check", "--sandbox", "--json"]) == 0
    records = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert "not listed" in lines[1]
    assert all("  yes" in line for line in lines[2:])
    assert [one["id"] for one in records if not one["is_served"]] == ["qwen-image-max"]
    assert main(["spend"]) == 0
    assert capfd.readouterr().out == "nothing was billed or saved\n"


def test_models_that_the_table_lacks_are_named(capfd, monkeypatch):
    """A new model of the service is worth knowing."""
    rules = sandbox_rules.MODELS | dict.fromkeys(["qwen-image-9.0", "wan-9"])
    monkeypatch.setattr("stills.sandbox.state.MODELS", rules)
    assert main(["models", "--check", "--sandbox"]) == 0
    assert capfd.readouterr().err == (
        "The service also lists qwen-image-9.0. To use them, describe them in a file and set "
        "STILLS_MODELS.\n"
    )


def test_check_needs_a_key(capfd):
    """The service only answers with one."""
    assert main(["models", "--check"]) == 3
    assert "DASHSCOPE_API_KEY" in capfd.readouterr().err


def test_the_table_is_shown_without_the_sdk():
    """Only --check needs it, and it is slow to load."""
    code = (
        "import sys; from stills.cli.main import main; main(['models']); "
        "sys.exit(bool({'dashscope', 'fastapi'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0
