"""spend, verify, recover and spending limits, on a sandbox in another process."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

KITE = ["generate", "a red kite", "--size", "512*512", "--seed", "1"]
NATIVE = ["generate", "a red kite", "--size", "1328*1328", "--seed", "1"]
PRICE_USD = 0.075

# Requests ten images at once, like a program that embeds Stills; prints how each ended.
TEN_AT_ONCE = """
import asyncio, sys
from stills.app import Stills
from stills.contract.errors import BudgetExceeded
from stills.contract.request import ImageRequest

async def ask(stills, number):
    prompt = f"kite {number} of worker {sys.argv[1]}"
    try:
        await stills.generate(ImageRequest(prompt=prompt, size="512*512", seed=1))
    except BudgetExceeded as error:
        return error.message
    return "image"

async def run():
    async with Stills.from_env() as stills:
        print(*await asyncio.gather(*(ask(stills, number) for number in range(10))), sep="\\n")

asyncio.run(run())
"""


@pytest.fixture
def stills(run: Callable[..., object], service) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run `stills` on the service."""

    def call(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return run(*arguments, variables=service.variables | variables)

    return call


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """The store's folder."""
    return tmp_path / "output" / "ai-image-qwen-image" / "images"


def one_line(done: subprocess.CompletedProcess[str], code: int) -> str:
    """Check that an error is one line with this exit code, and return it."""
    assert done.returncode == code, done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stdout == ""
    return done.stderr


# Spending


def test_spend_reports_what_was_billed_possibly_billed_and_saved(stills, service):
    """In a table, and as JSON by style."""
    assert stills("spend").stdout == "nothing was billed or saved\n"
    service.set_faults({"kind": "drop_after"})
    assert stills(*KITE, "--style", "ink").returncode == 5
    assert stills(*KITE, "--style", "ink").returncode == 0
    assert stills(*KITE, "--style", "ink").returncode == 0
    assert stills("spend").stdout.splitlines() == [
        "provider             billed         possibly billed  saved",
        "sandbox (simulated)  1 = 0.075 USD  1 = 0.075 USD    1 = 0.075 USD",
    ]
    line = json.loads(stills("spend", "--by", "style", "--since", "1d", "--json").stdout)
    assert (line["group"], line["billed"], line["possible"], line["saved"]) == ("ink", 1, 1, 1)
    assert "is not a date" in one_line(stills("spend", "--since", "soon"), 2)


def test_a_custom_price_is_used(stills):
    """STILLS_PRICE_USD replaces the list price."""
    made = json.loads(stills(*KITE, "--json", STILLS_PRICE_USD="0.02").stdout)
    assert made["cost_usd"] == 0.02
    assert "1 = 0.02 USD" in stills("spend").stdout


# Spending limits


def test_a_maximum_cost_refuses_before_anything_is_sent(stills, service):
    """Exit code 4; an image in the catalog is returned under any limit."""
    line = one_line(stills(*KITE, "--max-cost", "0.07"), 4)
    assert "an image at 0.075 USD would exceed the cap of 0.07 USD" in line
    assert "this call was not sent" in line
    assert service.ledger()["sends"] == []
    assert stills(*KITE, "--max-cost", "0.075").returncode == 0
    assert "nothing billed" in stills(*KITE, "--max-cost", "0").stderr
    assert service.billed() == 1


def test_a_maximum_cost_refuses_a_repeat_if_the_first_call_may_be_billed(stills, service):
    """The error says so, and does not claim that nothing was sent."""
    service.set_faults({"kind": "drop_after"})
    line = one_line(stills(*KITE, "--max-cost", "0.1", "--resend-unknown", "1"), 4)
    assert "[possibly billed]" in line
    assert "an earlier call was cut off and may be billed" in line
    assert "nothing was sent" not in line.lower()
    assert "Retry to send the request again, or raise --max-cost" in line
    assert service.ledger()["totals"]["generations"] == 1
    assert "1 = 0.075 USD" in stills("spend").stdout


def test_an_unknown_price_is_refused_under_a_cap(stills, service):
    """The error says what to set; once set, the image is generated."""
    unknown = [*KITE, "--model", "qwen-image-2.1-turbo", "--max-cost", "1"]
    line = one_line(stills(*unknown), 4)
    assert "the price of qwen-image-2.1-turbo is unknown" in line
    assert "STILLS_PRICE_USD" in line
    assert service.ledger()["sends"] == []
    assert stills(*unknown, STILLS_PRICE_USD="0.2").returncode == 0


@pytest.mark.parametrize("amount", ["nan", "inf", "-1"])
def test_an_invalid_maximum_cost_is_a_bad_request(stills, service, amount: str):
    """It is never treated as no limit."""
    assert "--max-cost" in one_line(stills(*KITE, f"--max-cost={amount}"), 2)
    assert service.ledger()["sends"] == []


def test_four_processes_stay_within_one_budget_of_a_day(service, environment, tmp_path):
    """Of 40 different requests, 7 fit the budget and 33 are refused."""
    variables = environment | service.variables | {"STILLS_BUDGET_USD": str(7 * PRICE_USD)}
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", TEN_AT_ONCE, str(number)],
            env=variables,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(4)
    ]
    ends = [line for each in workers for line in each.communicate(timeout=100)[0].splitlines()]
    refusals = [line for line in ends if line != "image"]
    print(f"billed {service.billed()} of 40, {len(refusals)} refused")
    assert service.billed() == ends.count("image") == 7
    assert len(refusals) == 33
    assert all("would exceed the cap of 0.525 USD" in line for line in refusals)
    assert service.ledger()["totals"]["generations"] == 7


def test_failed_calls_use_no_budget(stills, service):
    """A refused call costs nothing, so the next one may be sent."""
    service.set_faults({"kind": "error_in_200", "times": 1}, {"kind": "quota_exhausted"})
    assert one_line(stills(*KITE, STILLS_BUDGET_USD="0.075"), 4)
    assert stills(*KITE, STILLS_BUDGET_USD="0.075").returncode == 0
    assert "midnight UTC" in one_line(stills(*KITE, "--fresh", STILLS_BUDGET_USD="0.075"), 4)
    assert "nothing billed" in stills(*KITE, STILLS_BUDGET_USD="0.075").stderr
    assert service.billed() == 1


# Verify


def test_verify_names_missing_and_damaged_images(stills, images: Path):
    """Exit code 7 and one line per image; the same as JSON."""
    for size in ("512*512", "1328*1328", "640*640"):
        stills("generate", "a red kite", "--seed", "1", "--size", size)
    assert stills("verify").stdout == "3 images checked, nothing wrong\n"

    small, large = next(images.glob("*-512x*.png")), next(images.glob("*-1328x*.png"))
    small.unlink()
    data = bytearray(large.read_bytes())
    data[len(data) // 2] ^= 1
    large.write_bytes(data)
    done = stills("verify")
    assert (done.returncode, done.stderr) == (7, "")
    damaged, missing, summary = done.stdout.splitlines()
    assert damaged.startswith(f"damaged: {large.name} (")
    assert missing.startswith(f"missing: {small.name} (")
    assert summary == "3 images checked, 1 missing, 1 damaged"

    as_json = stills("verify", "--json")
    assert as_json.returncode == 7
    found = json.loads(as_json.stdout)
    assert found["checked"] == 3
    assert [each["verdict"] for each in found["findings"]] == ["damaged", "missing"]


def test_an_unknown_image_is_not_an_error(stills, images: Path):
    """It is listed, with exit code 0."""
    stills(*NATIVE)
    (images / "a-cat-64x64-seed1-ffffffffffff.png").write_bytes(b"")
    done = stills("verify")
    assert done.returncode == 0
    assert done.stdout.startswith("unknown: a-cat-64x64")
    assert done.stdout.endswith("\n1 image checked, 1 unknown\n")


# Recover


def refusing_store(folder: Path) -> str:
    """Make a store that takes its marker, but no image."""
    folder.mkdir()
    (folder / "facts").write_text("in the way")
    return str(folder)


def test_recover_stores_a_spooled_image_free_and_without_a_key(
    stills, run, service, tmp_path: Path
):
    """The image is in the spool until the store works."""
    line = one_line(stills(*NATIVE, STILLS_STORE=refusing_store(tmp_path / "broken")), 7)
    assert "[billed]" in line
    assert "safe at file://" in line
    assert "stills recover" in line

    done = run("recover")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1:] == ["1 image recovered, 0 not"]
    assert run("recover").stdout == "nothing to recover\n"
    assert run("verify").returncode == 0
    (listed,) = run("list", "--json").stdout.splitlines()
    assert run("show", json.loads(listed)["id"]).returncode == 0
    assert "nothing billed" in stills(*NATIVE).stderr
    assert (
        json.loads(run("spend", "--json").stdout)["saved"] == 0
    )  # the image had never been returned before
    assert service.billed() == 1


def test_recover_reports_what_it_can_t_finish(stills, run, service):
    """If a link is dead, it exits with 5, says why, and sends nothing."""
    service.set_faults({"kind": "dead_url", "times": None})
    one_line(stills(*NATIVE), 5)
    left = stills("recover")
    assert left.returncode == 5
    assert "403" in left.stdout
    assert "0 images recovered, 1 not" in left.stdout
    assert "run again with its key set" in run("recover").stdout
    (outcome,) = map(json.loads, stills("recover", "--json").stdout.splitlines())
    assert outcome["kept"] is False

    service.set_faults()
    assert stills("recover").returncode == 0
    assert "nothing billed" in stills(*NATIVE).stderr
    assert service.ledger()["totals"]["generations"] == 1


def test_a_store_and_a_spool_that_both_refuse_are_reported(stills, service, tmp_path: Path):
    """The image can still be downloaded later."""
    store, spool = (refusing_store(tmp_path / name) for name in ("broken", "broken-spool"))
    line = one_line(stills(*NATIVE, STILLS_STORE=store, STILLS_SPOOL=spool), 7)
    assert "the spool refused as well" in line
    assert "within a day" in line
    assert stills("recover").returncode == 0
    assert "nothing billed" in stills(*NATIVE).stderr
    assert service.billed() == 1


def test_a_deleted_store_is_reported_and_paid_images_are_not_paid_for_again(
    stills, service, images: Path
):
    """An unplugged disk looks like this; plugged in again, everything works."""
    stills(*KITE)
    away = images.rename(images.with_name("away"))
    for command in (KITE, ["verify"]):
        line = one_line(stills(*command), 7)
        assert "is missing" in line
    away.rename(images)
    assert "nothing billed" in stills(*KITE).stderr
    assert service.billed() == 1


def test_rebuild_on_a_healthy_catalog_changes_nothing(stills, service):
    """Neither the list nor the spending changes."""
    stills(*KITE)
    before = [stills("list").stdout, stills("spend").stdout]
    done = stills("recover", "--rebuild")
    assert (done.returncode, done.stdout) == (0, "nothing to recover\n")
    assert [stills("list").stdout, stills("spend").stdout] == before
    assert service.billed() == 1
