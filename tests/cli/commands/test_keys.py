"""`stills keys`: create, list and revoke API keys, without a key of DashScope."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from stills.app import Stills
from stills.cli.commands.keys import rate, read_budget
from stills.cli.main import main
from stills.contract.access import BudgetOwner
from stills.contract.errors import InvalidRequest, KeyRefused

Keys = Callable[..., str]


@pytest.fixture
def keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Keys:
    """Run `stills keys` on a new catalog; returns its output."""
    monkeypatch.setenv("STILLS_CATALOG", str(tmp_path / "stills.db"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("DASHSCOPE_API_KEY", raising=False)

    def run(*arguments: str, code: int = 0) -> str:
        assert main(["keys", *arguments]) == code
        printed = capsys.readouterr()
        return printed.err if code else printed.out

    return run


def admit(shown: str) -> BudgetOwner:
    async def run() -> BudgetOwner:
        async with Stills.from_catalog() as stills:
            return await stills.keys.admit(shown)

    return asyncio.run(run())


def test_a_script_can_read_a_new_key(keys: Keys):
    """It is the only output, and it is accepted with its budget."""
    printed = keys("add", "film", "--budget", "5/day", "--rate", "10/min")
    assert printed.count("\n") == 1
    assert admit(printed.strip()) == BudgetOwner("film", 5.0)


def test_a_key_is_shown_once(keys: Keys, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """No list shows it, and no file contains its secret."""
    assert main(["keys", "add", "film"]) == 0
    made = capsys.readouterr()
    assert "shown only once" in made.err
    secret = made.out.strip().split("_", 2)[2]
    assert secret not in keys("list") + keys("list", "--json")
    assert not any(
        secret.encode() in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()
    )


def test_keys_are_listed_with_their_limits(keys: Keys):
    """Oldest first, including revoked ones."""
    assert keys("list") == "no keys\n"
    keys("add", "film", "--budget", "5", "--rate", "10/min")
    keys("add", "agent")
    assert keys("revoke", "agent") == "agent is revoked\n"
    header, film, agent = keys("list").splitlines()
    assert header.split() == ["name", "id", "budget", "rate", "created", "revoked"]
    assert film.startswith("film   ")
    assert "5.00 USD/day  10/min  20" in film
    assert agent.startswith("agent  ")
    assert len(agent) > len(film)


def test_keys_are_listed_as_json(keys: Keys):
    """One object per line; without keys, nothing."""
    assert keys("list", "--json") == ""
    shown = keys("add", "film", "--budget", "0.50/day", "--rate", "10/min")
    keys("add", "agent")
    keys("revoke", "agent")
    film, agent = map(json.loads, keys("list", "--json").splitlines())
    assert film.pop("created").endswith("Z")
    assert film == {
        "name": "film",
        "id": shown.split("_")[1],
        "budget_usd_per_day": 0.5,
        "rate": "10/min",
        "revoked": None,
    }
    assert (agent["budget_usd_per_day"], agent["rate"]) == (None, None)
    assert agent["revoked"].endswith("Z")


def test_a_revoked_key_is_rejected(keys: Keys):
    """Revoking it again is an error that suggests `stills keys list`."""
    shown = keys("add", "film").strip()
    keys("revoke", "film")
    with pytest.raises(KeyRefused):
        admit(shown)
    assert "`stills keys list`" in keys("revoke", "film", code=2)


@pytest.mark.parametrize(
    "arguments",
    [
        ["film"],
        ["two words"],
        ["other", "--budget", "much"],
        ["other", "--rate", "fast"],
        ["other", "--rate", "auto"],
    ],
)
def test_an_invalid_key_is_one_line(keys: Keys, arguments: list[str]):
    """The exit code is 2, and no key is created."""
    keys("add", "film")
    assert keys("add", *arguments, code=2).count("\n") == 1
    assert len(keys("list").splitlines()) == 2


@pytest.mark.parametrize(
    ("written", "usd"),
    [(None, None), ("5", 5.0), ("5/day", 5.0), (" 0.5 / day ", 0.5), ("0", 0.0)],
)
def test_a_budget_is_in_dollars_per_day(written: str | None, usd: float | None):
    """`/day` is optional."""
    assert read_budget(written) == usd


@pytest.mark.parametrize("written", ["", "-1", "nan", "inf", "1e9", "5/week", "5 USD", "٣"])
def test_an_invalid_budget_is_rejected(written: str):
    """It does not count as no budget."""
    with pytest.raises(InvalidRequest, match="--budget"):
        read_budget(written)


@pytest.mark.parametrize("written", ["2/s", "10/min", "90/min", "2/h", "1.5/min", "100/h"])
def test_a_rate_is_formatted_as_it_is_read(written: str):
    """The value is the same, in the unit that reads best."""
    number, unit = written.split("/")
    seconds = {"s": 1.0, "min": 60.0, "h": 3600.0}
    back, back_unit = rate(float(number) / seconds[unit]).split("/")
    assert float(back) / seconds[back_unit] == pytest.approx(float(number) / seconds[unit])
    assert float(back) >= 1.0
    assert rate(None) is None
