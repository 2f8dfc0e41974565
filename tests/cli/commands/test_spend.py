"""`stills spend`: options, table and JSON, on a ledger written by the test."""

import asyncio
import json
import re
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from stills.catalog import SqliteCatalog
from stills.cli.commands.spend import read_since, table
from stills.cli.main import main
from stills.contract.errors import InvalidRequest
from stills.contract.money import to_nano_usd
from stills.contract.spending import SpendBy, SpendLine

DAY_SECONDS = 86_400
LEDGER = [  # day, provider, model, style, price, billings of its sends, free answers
    ("2026-11-01", "dashscope", "qwen-image-max", "ink", 0.075, ["billed"], 3),
    ("2026-11-01", "dashscope", "qwen-image-max", None, 0.075, ["possible", "billed"], 0),
    ("2026-11-02", "dashscope", "qwen-image-2.0", "ink", 0.035, ["none", "billed"], 1),
    ("2026-11-02", "dashscope", "qwen-image-3.0", None, None, ["billed"], 0),
    ("2026-11-02", "sandbox", "qwen-image-max", None, 0.075, ["billed", "billed"], 0),
]


def write(path: Path) -> None:
    """Write the ledger with plain SQL."""

    async def make() -> None:
        catalog = SqliteCatalog(path)
        await catalog.list_images(limit=1)
        await catalog.close()

    asyncio.run(make())
    with closing(sqlite3.connect(path)) as connection, connection:
        for number, (day, provider, model, style, price, billings, saved) in enumerate(LEDGER):
            nano_usd = None if price is None else to_nano_usd(price)
            at = datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC).timestamp() + 3600
            connection.execute(
                "INSERT INTO generations (id, key, seeded_key, provider, model, prompt, style,"
                " text, native_width, native_height, seed, price_nano_usd, stage, created_at)"
                " VALUES (?, ?, ?, ?, ?, 'p', ?, 't', 64, 64, 1, ?, 'failed', ?)",
                (*(3 * [str(number)]), provider, model, style, nano_usd, at),
            )
            connection.executemany(
                "INSERT INTO sends (generation_id, sent_at, billing, code) VALUES (?, ?, ?, 'c')",
                [(str(number), at, billing) for billing in billings],
            )
            connection.execute(
                "INSERT INTO renditions VALUES (?, 64, 64, 'h', 9, ?, ?)",
                (str(number), str(number), at),
            )
            connection.execute(
                "INSERT INTO requests (key, generation_id, width, height, prompt, first_asked_at)"
                " VALUES (?, ?, 64, 64, 'p', ?)",
                (str(number), str(number), at),
            )
            connection.execute("INSERT INTO answers VALUES (?, ?, 1, ?)", (str(number), day, saved))


Spend = Callable[..., str]


@pytest.fixture
def spend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Spend:
    """Run `stills spend` on the ledger; returns its output."""
    path = tmp_path / "stills.db"
    write(path)
    monkeypatch.setenv("STILLS_CATALOG", str(path))

    def run(*arguments: str) -> str:
        assert main(["spend", *arguments]) == 0
        return capsys.readouterr().out

    return run


def test_all_spending_in_one_table(spend: Spend):
    """Simulated costs have their own line, and unknown prices are counted."""
    header, service, sandbox = spend().splitlines()
    assert header.split() == ["provider", "billed", "possibly", "billed", "saved"]
    assert service == (
        "dashscope            4 = 0.185 USD plus 1 image of unknown price  1 = 0.075 USD    "
        "4 = 0.26 USD"
    )
    assert re.split(" {2,}", sandbox) == [
        "sandbox (simulated)",
        "2 = 0.15 USD",
        "0 = 0.00 USD",
        "0 = 0.00 USD",
    ]


@pytest.mark.parametrize(
    ("by", "groups"),
    [
        ("day", [("2026-11-01", 2, 0.15), ("2026-11-02", 2, 0.035), ("2026-11-02", 2, 0.15)]),
        (
            "model",
            [
                ("qwen-image-2.0", 1, 0.035),
                ("qwen-image-3.0", 1, 0.0),
                ("qwen-image-max", 2, 0.15),
                ("qwen-image-max", 2, 0.15),
            ],
        ),
        ("style", [("", 2, 0.075), ("ink", 2, 0.11), ("", 2, 0.15)]),
    ],
)
def test_grouped_by_day_model_or_style(spend: Spend, by: str, groups: list[object]):
    """As JSON Lines; the sandbox comes last, on its own lines."""
    lines = [json.loads(line) for line in spend("--by", by, "--json").splitlines()]
    assert [(line["group"], line["billed"], line["billed_usd"]) for line in lines] == groups
    assert [line["provider"] for line in lines] == ["dashscope"] * (len(lines) - 1) + ["sandbox"]


def test_json_has_every_number(spend: Spend):
    """Images and USD."""
    first = json.loads(spend("--json").splitlines()[0])
    assert first == {
        "provider": "dashscope",
        "group": "",
        "billed": 4,
        "billed_usd": 0.185,
        "possible": 1,
        "possible_usd": 0.075,
        "saved": 4,
        "saved_usd": 0.26,
        "unpriced": 1,
        "billed_unpriced": 1,
        "possible_unpriced": 0,
        "saved_unpriced": 0,
    }


def test_since_a_date(spend: Spend):
    """Including all of that day."""
    lines = [json.loads(line) for line in spend("--since", "2026-11-02", "--json").splitlines()]
    assert [(line["provider"], line["billed"], line["saved"]) for line in lines] == [
        ("dashscope", 2, 1),
        ("sandbox", 2, 0),
    ]


def test_no_spending_since_a_date(spend: Spend):
    """Text output is a sentence; JSON output is empty."""
    assert spend("--since", "2027-01-01") == "nothing was billed or saved\n"
    assert spend("--since", "2027-01-01", "--json") == ""


def test_since_is_a_utc_date_or_a_number_of_days():
    """Without it, everything is counted."""
    assert read_since(None) == 0.0
    assert read_since("2026-11-02") == datetime(2026, 11, 2, tzinfo=UTC).timestamp()
    before = time.time() - 7 * DAY_SECONDS
    assert before <= read_since("7d") <= time.time()


@pytest.mark.parametrize(
    "written", ["", "yesterday", "2026-13-01", "2026-02-30", "7", "-7d", "7.5d", "1e9d", "9" * 99]
)
def test_an_invalid_date_is_rejected(written: str):
    """The error shows both formats."""
    with pytest.raises(InvalidRequest, match="is not a date") as caught:
        read_since(written)
    assert "2026-11-22" in caught.value.action
    assert "7d" in caught.value.action


def test_a_long_or_odd_style_does_not_break_the_table():
    """It is cut to its column, on one line."""
    line = SpendLine("dashscope", "ink\n\x1b[31m" + "x" * 99, 1, 0.1, 0, 0.0, 0, 0.0, 0)
    lines = table([line], SpendBy.STYLE).splitlines()
    assert len(lines) == 2
    assert "\x1b" not in lines[1]
    assert len(lines[1]) < 120


def test_a_missing_style_is_shown():
    """An empty cell would look like an error."""
    line = SpendLine("dashscope", "", 1, 0.1, 0, 0.0, 0, 0.0, 0)
    assert "(none)" in table([line], SpendBy.STYLE)
