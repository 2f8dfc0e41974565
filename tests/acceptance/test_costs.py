"""What images of different sizes and with references cost, on a sandbox in another process."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Call = Callable[..., subprocess.CompletedProcess[str]]

PRO = ("--model", "qwen-image-3.0-pro")
UNKNOWN = ("--model", "qwen-image-2.1-turbo")


@pytest.fixture
def stills(run: Call, service) -> Call:
    """Run `stills` on the service."""

    def call(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return run(*arguments, variables=service.variables | variables)

    return call


def kite(size: str, *options: str) -> tuple[str, ...]:
    return ("generate", "a red kite", "--size", size, "--seed", "1", "--json", *PRO, *options)


def cost_usd(done: subprocess.CompletedProcess[str]) -> float:
    assert done.returncode == 0, done.stderr
    cost: float = json.loads(done.stdout)["cost_usd"]
    return cost


def test_an_image_costs_what_its_size_and_its_reference_cost(stills: Call, tmp_path: Path):
    """Result, record, sidecar and ledger have the same price, in 1K and 2K, with and without."""
    assert cost_usd(stills(*kite("1488*1488", "--output", "kite.png"))) == 0.04
    assert cost_usd(stills(*kite("2048*2048"))) == 0.075
    assert cost_usd(stills(*kite("1024*1024", "--reference-image", "kite.png"))) == 0.043
    assert cost_usd(stills(*kite("2048*2048", "--reference-image", "kite.png"))) == 0.078
    shown = [json.loads(line) for line in stills("list", "--json").stdout.splitlines()]
    assert sorted(one["price_usd"] for one in shown) == [0.04, 0.043, 0.075, 0.078]
    sidecars = (tmp_path / "output").rglob("facts/*.json")
    prices = [json.loads(one.read_text())["draft"]["price_usd"] for one in sidecars]
    assert sorted(prices) == [0.04, 0.043, 0.075, 0.078]
    (line,) = map(json.loads, stills("spend", "--json").stdout.splitlines())
    assert (line["billed"], line["billed_usd"], line["unpriced"]) == (4, 0.236, 0)


def test_a_maximum_cost_stops_exactly_at_the_price(stills: Call, service):
    """A billionth of a dollar less is refused before anything is sent."""
    for size, price, less in (
        ("1024*1024", "0.04", "0.039999999"),
        ("2048*2048", "0.075", "0.074999999"),
    ):
        refused = stills(*kite(size, "--max-cost", less))
        assert refused.returncode == 4
        assert f"an image at {price} USD would exceed the cap of {less} USD" in refused.stderr
        assert cost_usd(stills(*kite(size, "--max-cost", price))) == float(price)
    assert service.billed() == 2


def test_a_batch_costs_the_sum_of_its_images(stills: Call, service, tmp_path: Path):
    """Plan, cap and bill agree, also for a shot that follows another."""
    rows = [
        {"id": "small", "prompt": "a", "size": "1024*1024"},
        {"id": "large", "prompt": "b", "size": "2048*2048"},
        {"id": "after", "prompt": "c", "size": "1024*1024", "reference_shot": "small"},
    ]
    (tmp_path / "shots.jsonl").write_text("\n".join(map(json.dumps, rows)))
    batch = ("batch", "shots.jsonl", *PRO, "-o", "out")
    assert "3 new with qwen-image-3.0-pro (about 0.158 USD" in stills(*batch, "--dry-run").stdout
    refused = stills(*batch, "--max-cost", "0.157999999")
    assert refused.returncode == 4
    assert "3 new images would cost 0.158 USD" in refused.stderr
    assert service.ledger()["sends"] == []
    done = stills(*batch, "--max-cost", "0.158")
    assert done.returncode == 0, done.stderr
    assert "billed 0.158 USD" in done.stderr
    assert "3 = 0.158 USD" in stills("spend").stdout
    (tmp_path / "shots.jsonl").write_text(json.dumps(rows[0] | {"prompt": "another"}))
    assert "1 new image would cost " in stills(*batch, "--max-cost", "0.001").stderr


def test_takes_of_one_call_cost_the_price_of_each_image(stills: Call, service):
    """They share the maximum exactly, and the ledger counts images."""
    takes = ("--takes", "3", "--max-cost")
    refused = stills(*kite("1024*1024", *takes, "0.119999999"))
    assert refused.returncode == 4
    assert service.ledger()["sends"] == []
    done = stills(*kite("1024*1024", *takes, "0.12"))
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["cost_usd"] for line in done.stdout.splitlines()] == [0.04] * 3
    assert service.billed() == 3
    assert "3 = 0.12 USD" in stills("spend").stdout


def test_a_price_of_ones_own_is_the_same_for_every_image(stills: Call):
    """Size and references don't matter then."""
    own = {"STILLS_PRICE_USD": "0.05"}
    assert cost_usd(stills(*kite("1024*1024", "--output", "kite.png"), **own)) == 0.05
    assert cost_usd(stills(*kite("2048*2048", "--reference-image", "kite.png"), **own)) == 0.05


def test_a_price_from_the_models_file_is_used(stills: Call, tmp_path: Path):
    """It makes an unknown price known, by area and for each reference."""
    (tmp_path / "models.toml").write_text(
        '["qwen-image-2.1-turbo"]\n'
        "image_usd = [{ pixels_max = 1048576, usd = 0.02 }, { usd = 0.05 }]\n"
        "input_image_usd = 0.001\n"
    )
    own = {"STILLS_MODELS": "models.toml"}
    made = ("generate", "a", "--json", *UNKNOWN, "--max-cost", "0.051")
    assert cost_usd(stills(*made, "--size", "1024*1024", "--output", "a.png", **own)) == 0.02
    large = (*made, "--size", "1040*1040", "--reference-image", "a.png")
    assert cost_usd(stills(*large, **own)) == 0.051


def test_an_unknown_price_is_never_counted_as_zero(stills: Call, service, tmp_path: Path):
    """A batch and `spend` name it, and every cap refuses it before anything is sent."""
    (tmp_path / "shots.csv").write_text("prompt,size\na,512*512\nb,512*512\n")
    batch = ("batch", "shots.csv", *UNKNOWN, "-o", "out")
    assert "2 of unknown price" in stills(*batch, "--dry-run").stdout
    for arguments, variables in (
        ((*batch, "--max-cost", "100"), {}),
        (("generate", "a", "--size", "512*512", *UNKNOWN, "--max-cost", "100"), {}),
        (("generate", "a", "--size", "512*512", *UNKNOWN), {"STILLS_BUDGET_USD": "100"}),
    ):
        refused = stills(*arguments, **variables)
        assert refused.returncode == 4, refused.stderr
        assert "the price of qwen-image-2.1-turbo is unknown" in refused.stderr
        assert "STILLS_PRICE_USD" in refused.stderr
        assert "STILLS_MODELS" in refused.stderr
    assert service.ledger()["sends"] == []
    done = stills(*batch)
    assert done.returncode == 0, done.stderr
    assert "billed 2 images of unknown price" in done.stderr
    assert stills("generate", "a kite", "--size", "512*512").returncode == 0
    assert "0.075 USD plus 2 images of unknown price" in stills("spend").stdout
