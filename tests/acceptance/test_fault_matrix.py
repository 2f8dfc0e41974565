"""Every sandbox fault and its outcome; `STILLS_WRITE_DOCS=1` rewrites docs/fault-matrix.md."""

import asyncio
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pyvips
from tests.support.fault_rows import (
    FREE,
    MATRIX,
    NEW_IMAGE,
    REFERENCE,
    UNTIL_THE_DEADLINE,
    WAITS,
    Outcome,
    Row,
)

from stills.app import Stills
from stills.cli.errors import exit_code
from stills.contract.errors import StillsError, TaskRunning
from stills.contract.request import ImageRequest
from stills.contract.spending import SpendBy
from stills.pipeline.policy import Policy
from stills.sandbox import DOWNLOAD_FAULTS, Fault, FaultKind, Sandbox

PAGE = Path(__file__).parents[2] / "docs" / "fault-matrix.md"
HANG_SECONDS = 240.0
WITH_TASKS = "qwen-image-3.0"


@dataclass(frozen=True)
class Advice:
    """What the user sees if a request fails: the exit code and the action."""

    exit_code: int = 0
    action: str = ""


class Run:
    """Runs all rows on one sandbox at once; each fault applies only to its row's prompt."""

    def __init__(self, sandbox: Sandbox, make_stills: Callable[..., object], fast: Policy) -> None:
        self._sandbox = sandbox
        self._make_stills = make_stills
        self._fast = fast
        self._made: dict[Policy, Stills] = {}
        self.errors: dict[str, StillsError | None] = {}

    async def stills_for(self, row: Row, how: str) -> Stills:
        """Return a Stills with the timeouts of a row."""
        policy = replace(
            self._fast,
            deadline_seconds=row.deadline_seconds if how == "for ever" else 60.0,
            answer_timeout_seconds=row.answer_timeout_seconds,
            download_timeout_seconds=row.download_timeout_seconds,
        )
        if row.once == row.for_ever:
            policy = replace(policy, deadline_seconds=row.deadline_seconds)
        if policy not in self._made:
            self._made[policy] = await self._make_stills(policy=policy)
        return self._made[policy]

    async def ask(self, stills: Stills, row: Row, tag: str, *, task: bool) -> None:
        """Make a request, and record how it ended."""
        request = ImageRequest(
            # In the first sentence, because a simplified prompt has only that; as style, so that
            # the ledger can be grouped by it.
            prompt=f"a kite {tag}. It flies.",
            style=tag,
            size="512*512",
            seed=1,
            reference_image=REFERENCE if row.reference else None,
        )
        try:
            model = WITH_TASKS if task else "qwen-image-2.0" if row.reference else None
            await stills.generate(request, model=model)
            self.errors[tag] = None
        except StillsError as error:
            self.errors[tag] = error

    def sends(self, tag: str) -> list[int]:
        """Return what each call with this tag was billed."""
        return [send.billed for send in self._sandbox.ledger.generations if tag in send.prompt]

    async def outcome(self, row: Row, how: str, *, task: bool) -> Outcome:
        """Return the outcome of a request by the sandbox's ledger and ours, which must agree."""
        tag = row.tag(how, task=task)
        sends, error = self.sends(tag), self.errors[tag]
        stills = await self.stills_for(row, how)
        lines = [line for line in await stills.spend(by=SpendBy.STYLE) if line.group == tag]
        sure, possible = (lines[0].billed, lines[0].possible) if lines else (0, 0)
        assert sure <= sum(sends) <= sure + possible, tag
        expected = row.for_ever if how == "for ever" else row.once
        until = expected.sends == UNTIL_THE_DEADLINE and len(sends) > 1
        return Outcome(
            type(error).__name__ if error else "image",
            sends=UNTIL_THE_DEADLINE if until else len(sends),
            billed=sum(sends),
            possible=possible,
        )


def ways(how: str) -> list[tuple[Row, bool]]:
    """Return each row with whether its call is asynchronous, in all ways in which it can happen."""
    rows = [row for row in MATRIX if how != "both" or row.fault.kind not in DOWNLOAD_FAULTS]
    return [(row, row.only_task) for row in rows] + [
        (row, True) for row in rows if not row.only_task and how != "both"
    ]


async def observe(run: Run, sandbox: Sandbox) -> tuple[dict[str, object], dict[str, Advice]]:
    """Run every row once, for ever, and once before a broken download; then retry."""
    asked = [(row, how, task) for how in ("once", "for ever", "both") for row, task in ways(how)]
    tags = [row.tag(how, task=task) for row, how, task in asked]
    sandbox.set_faults(
        *(
            replace(row.fault, match=tag, times=None if how == "for ever" else 1)
            for (row, how, _), tag in zip(asked, tags, strict=True)
        ),
        *(Fault(FaultKind.TRUNCATED_PNG, match=tag) for tag in tags if ", both" in tag),
    )
    ready = [await run.stills_for(row, how) for row, how, _ in asked]
    await asyncio.gather(
        *(
            run.ask(stills, row, tag, task=task)
            for stills, (row, _, task), tag in zip(ready, asked, tags, strict=True)
        )
    )
    seen: dict[str, object] = {
        tag: await run.outcome(row, how, task=task)
        for (row, how, task), tag in zip(asked, tags, strict=True)
    }
    advice = {
        row.name: Advice(exit_code(error), without_folder(error.action)) if error else Advice()
        for row in MATRIX
        for error in [run.errors[row.tag("for ever", task=row.only_task)]]
    }
    seen |= await observe_again(run, sandbox)
    return seen, advice


async def observe_again(run: Run, sandbox: Sandbox) -> dict[str, object]:
    """Repeat the requests whose fault persisted, now without any fault."""
    sandbox.set_faults()
    patient = await run.stills_for(MATRIX[0], "once")
    again = [(row, task, row.tag("for ever", task=task)) for row, task in ways("for ever")]
    before = {tag: run.sends(tag) for _, _, tag in again}
    asking = []
    for row, task, tag in again:
        stills = await run.stills_for(row, "for ever") if row.again == WAITS else patient
        asking.append(run.ask(stills, row, tag, task=task))
    await asyncio.gather(*asking)
    seen: dict[str, object] = {}
    for row, task, tag in again:
        new = run.sends(tag)[len(before[tag]) :]
        billed = sum(run.sends(tag)) - sum(before[tag])
        costs = FREE if (new, billed) == ([], 0) else NEW_IMAGE if new == [1] else (new, billed)
        if isinstance(run.errors[tag], TaskRunning) and costs == FREE:
            costs = WAITS
        else:
            assert run.errors[tag] is None, tag
        seen[row.tag("again", task=task)] = costs
    return seen


def without_folder(action: str) -> str:
    """Replace the parts of an action that differ from run to run."""
    return re.sub(r"file://\S+/spool/rejected-\w+", "$STILLS_HOME/spool/rejected-…", action)


def expected() -> dict[str, object]:
    """Return the expected outcomes of MATRIX by tag."""
    wanted: dict[str, object] = {}
    for row, task in ways("once"):
        wanted |= {
            row.tag("once", task=task): row.once,
            row.tag("for ever", task=task): row.for_ever,
            row.tag("again", task=task): row.again,
        }
    # A broken download changes nothing.
    return wanted | {row.tag("both", task=task): row.once for row, task in ways("both")}


async def check_store(stills: Stills, folder: Path) -> None:
    """Check that every stored image is intact and in the catalog, and that none is missing."""
    verified = await stills.images.verify()
    images = list(folder.glob("*.png"))
    assert verified.findings == ()
    assert verified.checked == len(images) > len(MATRIX)
    for image in images:
        pyvips.Image.new_from_file(str(image), fail_on="warning").avg()
    assert [path for path in folder.rglob("*") if "#" in path.name] == []


def outcomes(row: Row, seen: dict[str, object], *, task: bool | None = None) -> list[str]:
    """Return the three outcomes of a row."""
    task = row.only_task if task is None else task
    return [str(seen[row.tag(how, task=task)]) for how in ("once", "for ever", "again")]


def compare(row: Row, seen: dict[str, object]) -> str:
    """Return how the outcomes of asynchronous calls differ from those of others."""
    if row.only_task:
        return "only these"
    as_task = outcomes(row, seen, task=True)
    return "the same" if as_task == outcomes(row, seen) else "; ".join(as_task)


def render(seen: dict[str, object], advice: dict[str, Advice]) -> str:
    """Return the page."""
    lines = [
        "# What happens when the service fails",
        "",
        "Generated by `tests/acceptance/test_fault_matrix.py` from what it observes; don't edit.",
        "",
        "Every fault of the sandbox, if it happens once and if it persists. *Billed* is what the",
        "sandbox counts; if Stills can't know, its ledger says *possibly billed*.",
        "",
        "**No fault bills an image twice.** A call that may have made an image is not repeated:",
        "the error says so, and you decide whether to retry (`STILLS_RESEND_UNKNOWN` allows",
        "automatic repeats). A failure that certainly made none is retried. A broken download",
        "after any of these changes neither the outcome nor the bill. No row leaves half an image",
        "in the store, or a catalog entry without its image.",
        "",
        "The last column is about asynchronous calls, which the models of version 3.0 have. *The",
        "same*: all three outcomes are the same. *Only these*: other calls can't have the fault.",
        "While the service works on a task, no failure makes its outcome unknown.",
        "",
        "| fault | a client sees | happens once | persists | a later retry | asynchronous calls |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row.name} | {row.fault.kind.meaning} | {' | '.join(outcomes(row, seen))} "
        f"| {compare(row, seen)} |"
        for row in MATRIX
    ]
    lines += [
        "",
        "## Errors",
        "",
        "If the fault persists. The exit code is that of `stills generate`.",
        "",
        "| fault | error | exit code | what to do |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {row.name} | {ends.ends} | {advice[row.name].exit_code} | {advice[row.name].action} |"
        for row in MATRIX
        for ends in [seen[row.tag("for ever", task=row.only_task)]]
        if advice[row.name].exit_code
    ]
    return "\n".join(lines) + "\n"


def test_every_fault_has_a_row():
    """A new fault of the sandbox needs an expectation here."""
    assert {row.fault.kind for row in MATRIX} == set(FaultKind)


def test_no_fault_is_expected_to_bill_twice():
    """A request costs at most one image, however long the fault lasts."""
    assert all(row.once.billed <= 1 and row.for_ever.billed <= 1 for row in MATRIX)


async def test_every_fault_ends_in_an_image_or_the_right_error(
    make_stills: Callable[..., object], sandbox: Sandbox, fast: Policy, tmp_path: Path
):
    """Within the deadline, billed as expected, nothing half stored; and the page is up to date."""
    async with asyncio.timeout(HANG_SECONDS):
        seen, advice = await observe(Run(sandbox, make_stills, fast), sandbox)
        await check_store(await make_stills(), tmp_path / "images")
    assert seen == expected()

    page = render(seen, advice)
    if os.environ.get("STILLS_WRITE_DOCS") == "1":
        PAGE.write_text(page, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == page, "run again with STILLS_WRITE_DOCS=1"
