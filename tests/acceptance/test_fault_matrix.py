"""Every sandbox fault and its outcome; `STILLS_WRITE_DOCS=1` rewrites docs/fault-matrix.md."""

import asyncio
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pyvips

from stills.app import Stills
from stills.cli.errors import exit_code
from stills.contract.errors import StillsError
from stills.contract.money import SpendBy
from stills.contract.request import ImageRequest
from stills.pipeline.policy import Policy
from stills.sandbox import DOWNLOAD_FAULTS, Fault, FaultKind, Sandbox
from stills.sandbox.faults import GENERATION_FAULTS

PAGE = Path(__file__).parents[2] / "docs" / "fault-matrix.md"
HANG_SECONDS = 120.0
BEYOND_ANY_TIMEOUT_SECONDS = 300.0
UNTIL_THE_DEADLINE = -1


@dataclass(frozen=True)
class Outcome:
    """How a request ended: `image` or an error's name, the calls made, and what was billed."""

    ends: str
    sends: int
    billed: int
    possible: int = 0
    """Possibly billed by our ledger; `billed` is the sandbox's own count."""

    def __str__(self) -> str:
        sends = {UNTIL_THE_DEADLINE: "calls until the deadline", 1: "1 call"}
        possible = f", {self.possible} possibly billed on the ledger" if self.possible else ""
        return (
            f"{self.ends}; {sends.get(self.sends, f'{self.sends} calls')}; "
            f"{self.billed} billed{possible}"
        )


@dataclass(frozen=True)
class Row:
    """One fault, and how a request must end if it happens once, and if it stays.

    `again` is what a retry costs after the fault is gone. With `reference`, the request has one and
    uses a model that accepts references.
    """

    fault: Fault
    once: Outcome
    for_ever: Outcome
    again: int = 1
    but: str = ""
    reference: bool = False
    deadline_seconds: float = 60.0
    answer_timeout_seconds: float = 30.0
    download_timeout_seconds: float = 30.0

    @property
    def name(self) -> str:
        return f"{self.fault.kind}, {self.but}" if self.but else str(self.fault.kind)

    def tag(self, how: str) -> str:
        return f"<{self.name}, {how}>"


REFERENCE: bytes = pyvips.Image.black(64, 64).pngsave_buffer()
IMAGE = Outcome("image", sends=1, billed=1)
RESENT = Outcome("image", sends=2, billed=1)


def refused(kind: FaultKind, error: str, *, reference: bool = False) -> Row:
    """Return the row of a refusal that a retry would not change."""
    only = Outcome(error, sends=1, billed=0)
    return Row(Fault(kind), only, only, reference=reference)


def down(kind: FaultKind) -> Row:
    """Return the row of a failure that certainly made no image: retried twice."""
    return Row(Fault(kind), RESENT, Outcome("ServiceUnavailable", sends=3, billed=0))


def unknown(kind: FaultKind, error: str, *, billed: int) -> Row:
    """Return the row of a call that may have made an image: never repeated automatically."""
    only = Outcome(error, sends=1, billed=billed, possible=1)
    return Row(Fault(kind), only, only)


def throttled(kind: FaultKind) -> Row:
    """Return the row of a rate limit: retried until the deadline."""
    return Row(
        Fault(kind, retry_after_seconds=6),
        RESENT,
        Outcome("RateLimited", sends=UNTIL_THE_DEADLINE, billed=0),
        deadline_seconds=11.9,
    )


def compatible(row: Row) -> Row:
    """Return the row of the same refusal in the OpenAI-compatible envelope."""
    fault = replace(row.fault, compatible=True)
    return replace(row, fault=fault, but="in OpenAI's form")


def damaged(kind: FaultKind) -> Row:
    """Return the row of a damaged copy of a paid image: downloaded again, never paid twice."""
    return Row(Fault(kind), IMAGE, Outcome("DamagedImage", sends=1, billed=1), again=0)


def dead(kind: FaultKind, **more: float) -> Row:
    """Return the row of a link that does not return the paid image."""
    return Row(Fault(kind), IMAGE, Outcome("LinkDead", sends=1, billed=1), again=0, **more)


def slow(kind: FaultKind, ends: Outcome, *, again: int = 1, **more: object) -> Row:
    """Return the row of an answer or a download that takes too long."""
    fault = Fault(kind, delay_seconds=BEYOND_ANY_TIMEOUT_SECONDS)
    return Row(fault, ends, ends, again, **more)


MATRIX = [
    throttled(FaultKind.THROTTLED),
    compatible(throttled(FaultKind.THROTTLED)),
    replace(
        refused(FaultKind.THROTTLED, "RateLimited"),
        fault=Fault(FaultKind.THROTTLED, retry_after_seconds=3600),
        but="to wait beyond the deadline",
    ),
    throttled(FaultKind.TOKENS_THROTTLED),
    compatible(throttled(FaultKind.TOKENS_THROTTLED)),
    refused(FaultKind.QUOTA_EXHAUSTED, "QuotaExhausted"),
    refused(FaultKind.FREE_TIER_USED, "QuotaExhausted"),
    refused(FaultKind.PREPAID_OVERDUE, "AccountOverdue"),
    compatible(refused(FaultKind.PREPAID_OVERDUE, "AccountOverdue")),
    refused(FaultKind.POSTPAID_OVERDUE, "AccountOverdue"),
    refused(FaultKind.NOT_PURCHASED, "AccessDenied"),
    refused(FaultKind.WORKSPACE_DENIED, "AccessDenied"),
    down(FaultKind.INTERNAL_ERROR),
    down(FaultKind.UNAVAILABLE),
    down(FaultKind.GATEWAY_UNAVAILABLE),
    unknown(FaultKind.GATEWAY_HTML, "ServiceUnavailable", billed=0),
    unknown(FaultKind.GATEWAY_TIMEOUT, "ServiceUnavailable", billed=1),
    refused(FaultKind.TOO_LARGE, "InvalidReference", reference=True),
    unknown(FaultKind.DROP_BEFORE, "ConnectionLost", billed=0),
    unknown(FaultKind.DROP_AFTER, "ConnectionLost", billed=1),
    unknown(FaultKind.TRUNCATED_ANSWER, "UnexpectedAnswer", billed=1),
    unknown(FaultKind.HTML_ANSWER, "UnexpectedAnswer", billed=1),
    Row(Fault(FaultKind.SLOW, delay_seconds=0.2), IMAGE, IMAGE, again=0, but="but in time"),
    slow(
        FaultKind.SLOW,
        Outcome("AnswerTimeout", sends=1, billed=1, possible=1),
        but="beyond the answer's timeout",
        answer_timeout_seconds=4.0,
    ),
    slow(
        FaultKind.SLOW,
        Outcome("DeadlineExceeded", sends=1, billed=1, possible=1),
        but="beyond the deadline",
        deadline_seconds=5.0,
    ),
    Row(Fault(FaultKind.NO_IMAGE), RESENT, Outcome("NoImage", sends=2, billed=0)),
    down(FaultKind.ERROR_IN_200),
    refused(FaultKind.CONTENT_REFUSED, "ContentRefused"),
    compatible(refused(FaultKind.CONTENT_REFUSED, "ContentRefused")),
    refused(FaultKind.IP_INFRINGEMENT, "ContentRefused"),
    refused(FaultKind.FAQ_BLOCKED, "ContentRefused"),
    refused(FaultKind.REFERENCE_NOT_INSPECTED, "InvalidReference", reference=True),
    refused(FaultKind.REFERENCE_URL_INVALID, "InvalidReference", reference=True),
    compatible(refused(FaultKind.REFERENCE_URL_INVALID, "InvalidReference", reference=True)),
    refused(FaultKind.REFERENCE_NOT_DOWNLOADED, "InvalidReference", reference=True),
    refused(FaultKind.REFERENCE_UNREADABLE, "InvalidReference", reference=True),
    refused(FaultKind.MODEL_NOT_EXIST, "ModelNotServed"),
    refused(FaultKind.RETIRED_MODEL, "ModelNotServed"),
    damaged(FaultKind.TRUNCATED_PNG),
    damaged(FaultKind.CORRUPT_PNG),
    damaged(FaultKind.SHORT_IDAT),
    damaged(FaultKind.GARBAGE_IDAT),
    damaged(FaultKind.BAD_FILTER),
    damaged(FaultKind.IMPOSSIBLE_HEADER),
    damaged(FaultKind.NO_PALETTE),
    Row(Fault(FaultKind.WRONG_SIZE_PNG), IMAGE, IMAGE, again=0),
    damaged(FaultKind.NOT_A_PNG),
    dead(FaultKind.DEAD_URL),
    replace(
        dead(FaultKind.SLOW_DOWNLOAD, download_timeout_seconds=3.0),
        fault=Fault(FaultKind.SLOW_DOWNLOAD, delay_seconds=BEYOND_ANY_TIMEOUT_SECONDS),
        but="beyond the download's timeout",
    ),
    slow(
        FaultKind.SLOW_DOWNLOAD,
        Outcome("DeadlineExceeded", sends=1, billed=1),
        again=0,
        but="beyond the deadline",
        deadline_seconds=5.0,
    ),
    dead(FaultKind.DROP_DOWNLOAD),
]


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

    async def ask(self, stills: Stills, row: Row, tag: str) -> None:
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
            await stills.generate(request, model="qwen-image-2.0" if row.reference else None)
            self.errors[tag] = None
        except StillsError as error:
            self.errors[tag] = error

    def sends(self, tag: str) -> list[int]:
        """Return what each call with this tag was billed."""
        return [send.billed for send in self._sandbox.ledger.generations if tag in send.prompt]

    async def outcome(self, row: Row, how: str) -> Outcome:
        """Return the outcome of a request by the sandbox's ledger and ours, which must agree."""
        tag = row.tag(how)
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


async def observe(run: Run, sandbox: Sandbox) -> tuple[dict[str, object], dict[str, Advice]]:
    """Run every row once, for ever, and once before a broken download; then retry."""
    both = [row for row in MATRIX if row.fault.kind not in DOWNLOAD_FAULTS]
    sandbox.set_faults(
        *(replace(row.fault, match=row.tag("once")) for row in MATRIX),
        *(replace(row.fault, match=row.tag("for ever"), times=None) for row in MATRIX),
        *(replace(row.fault, match=row.tag("both")) for row in both),
        *(Fault(FaultKind.TRUNCATED_PNG, match=row.tag("both")) for row in both),
    )
    asked = [(row, "once") for row in MATRIX] + [(row, "for ever") for row in MATRIX]
    asked += [(row, "both") for row in both]
    ready = [(await run.stills_for(*each), each[0], each[0].tag(each[1])) for each in asked]
    await asyncio.gather(*(run.ask(*each) for each in ready))
    seen: dict[str, object] = {row.tag(how): await run.outcome(row, how) for row, how in asked}
    advice = {
        row.name: Advice(exit_code(error), without_folder(error.action)) if error else Advice()
        for row in MATRIX
        for error in [run.errors[row.tag("for ever")]]
    }

    sandbox.set_faults()
    billed = {row.name: sum(run.sends(row.tag("for ever"))) for row in MATRIX}
    patient = await run.stills_for(MATRIX[0], "once")
    await asyncio.gather(*(run.ask(patient, row, row.tag("for ever")) for row in MATRIX))
    for row in MATRIX:
        assert run.errors[row.tag("for ever")] is None, row.name
        seen[row.tag("again")] = sum(run.sends(row.tag("for ever"))) - billed[row.name]
    return seen, advice


def without_folder(action: str) -> str:
    """Replace the parts of an action that differ from run to run."""
    return re.sub(r"file://\S+/spool/rejected-\w+", "$STILLS_HOME/spool/rejected-…", action)


def expected() -> dict[str, object]:
    """Return the expected outcomes of MATRIX by tag."""
    wanted: dict[str, object] = {}
    for row in MATRIX:
        wanted |= {
            row.tag("once"): row.once,
            row.tag("for ever"): row.for_ever,
            row.tag("again"): row.again,
        }
        if row.fault.kind not in DOWNLOAD_FAULTS:
            wanted[row.tag("both")] = row.once  # a broken download changes nothing
    return wanted


async def check_store(stills: Stills, folder: Path) -> None:
    """Check that every stored image is intact and in the catalog, and that none is missing."""
    verified = await stills.images.verify()
    images = list(folder.glob("*.png"))
    assert verified.findings == ()
    assert verified.checked == len(images) > len(MATRIX)
    for image in images:
        pyvips.Image.new_from_file(str(image), fail_on="warning").avg()
    assert [path for path in folder.rglob("*") if "#" in path.name] == []


def render(seen: dict[str, object], advice: dict[str, Advice]) -> str:
    """Return the page."""
    again = {0: "free", 1: "1 new image"}
    lines = [
        "# What happens when the service fails",
        "",
        "Generated by `tests/acceptance/test_fault_matrix.py` from what it observes; don't edit.",
        "",
        "Every sandbox fault, if it happens once and if it persists. *Billed* is the sandbox's own",
        "count; if Stills can't know, its ledger says *possibly billed*.",
        "",
        "**No fault bills an image twice.** A call that may have made an image is not repeated:",
        "the error says so, and you decide whether to retry (`STILLS_RESEND_UNKNOWN` allows",
        "automatic repeats). A failure that certainly made none is retried. A broken download",
        "after any of these changes neither the outcome nor the bill. No row leaves half an image",
        "in the store, or a catalog entry without its image.",
        "",
        "| fault | what a client sees | if it happens once | if it persists | a later retry |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {row.name} | {row.fault.kind.meaning} | {seen[row.tag('once')]} "
        f"| {seen[row.tag('for ever')]} | {again[seen[row.tag('again')]]} |"
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
        f"| {row.name} | {seen[row.tag('for ever')].ends} | {advice[row.name].exit_code} "
        f"| {advice[row.name].action} |"
        for row in MATRIX
        if advice[row.name].exit_code
    ]
    return "\n".join(lines) + "\n"


def test_every_fault_has_a_row():
    """A new fault of the sandbox needs an expectation here."""
    assert {row.fault.kind for row in MATRIX} == GENERATION_FAULTS | DOWNLOAD_FAULTS


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
