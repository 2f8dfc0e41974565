"""Printed text can't control the terminal."""

import json
from dataclasses import replace

import pytest
from tests.support.image_results import image_result

from stills.cli.commands import catalog, generate, recover, spend, verify
from stills.cli.text import as_json, printable
from stills.contract.errors import Billing
from stills.contract.generation import (
    Generation,
    GenerationSpec,
    Image,
    ReferenceRecord,
    Rendition,
    Send,
    Stage,
)
from stills.contract.size import Size
from stills.contract.spending import SpendBy, SpendLine
from stills.contract.upkeep import Finding, Recovered, Verdict, Verified
from stills.library import ImageDetails

HOSTILE = "\x1b[2J\x9b31m\u202eevil\x07"
SIZE = Size(64, 64)
SPEC = GenerationSpec(
    key="k",
    seeded_key="s",
    provider=HOSTILE,
    model=HOSTILE,
    prompt=HOSTILE,
    style=HOSTILE,
    text=HOSTILE,
    negative_prompt=HOSTILE,
    native_size=SIZE,
    seed=1,
    references=(ReferenceRecord(HOSTILE, HOSTILE),),
    price_usd=1.0,
)
GENERATION = Generation(
    id=HOSTILE, spec=SPEC, stage=Stage.KEPT, created_at=0.0, notes=(HOSTILE,), sha256=HOSTILE
)
IMAGE = Image(Rendition(HOSTILE, SIZE, HOSTILE, 1, "a.png"), GENERATION)
RESULT = image_result(
    id=HOSTILE,
    cached=True,
    provider=HOSTILE,
    model=HOSTILE,
    native_size=HOSTILE,
    cost_usd=0.0,
    notes=(HOSTILE,),
)


def shown() -> str:
    send = Send(0.0, 0.0, Billing.BILLED, HOSTILE, HOSTILE)
    return catalog.describe(ImageDetails(IMAGE, "file:///a.png", [send]))


LINES = {
    "list": lambda: catalog.line(IMAGE),
    "show": shown,
    "generate": lambda: generate.summary(RESULT),
    "spend": lambda: spend.table([spend_line()], SpendBy.STYLE),
    "recover": lambda: recover.line(Recovered(HOSTILE, kept=False, reason=HOSTILE)),
    "verify": lambda: verify.line(Finding(Verdict.UNKNOWN, HOSTILE, HOSTILE)),
    "JSON": lambda: as_json({HOSTILE: [HOSTILE]}),
}


def spend_line() -> SpendLine:
    empty = SpendLine(HOSTILE, HOSTILE, *[0] * (len(SpendLine.__dataclass_fields__) - 2))
    return replace(empty, billed=1)


@pytest.mark.parametrize("command", LINES)
def test_no_line_can_control_the_terminal(command):
    """Prompts, sidecars, file names and answers of the service can contain anything."""
    text = LINES[command]()
    assert "evil" in text
    assert [each for each in text.splitlines() if not each.isprintable()] == []


def test_a_report_prints_every_line(capsys):
    """Each finding and each outcome is one line, whatever characters it has."""
    print(verify.line(Finding(Verdict.MISSING, "a\nb.png", "id")))
    print(recover.line(Recovered("id", kept=False, reason="one\ntwo")))
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert Verified(1, (Finding(Verdict.UNREADABLE, "a.png", ""),)).has_losses


@pytest.mark.parametrize("text", ["a red kite", "風箏 é 🪁", HOSTILE, '\u3000\U000e0001\n"\\'])
def test_json_is_readable_and_unchanged(text):
    """Only unprintable characters are escaped; text in every script stays readable."""
    written = as_json({"prompt": text})
    assert json.loads(written) == {"prompt": text}
    assert written.isprintable()
    if text.isprintable() and '"' not in text:
        assert text in written
    assert printable(text).isprintable()
