"""The fault matrix: how a request must end for each fault of the sandbox."""

from dataclasses import dataclass, replace

import pyvips

from stills.sandbox import Fault, FaultKind
from stills.sandbox.faults import TASK_FAULTS, TASK_QUERY_FAULTS

BEYOND_ANY_TIMEOUT_SECONDS = 300.0
UNTIL_THE_DEADLINE = -1
FREE, NEW_IMAGE, WAITS = "free", "1 new image", "waits on, no new call"


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
    uses a model that accepts references. Faults of tasks only happen to asynchronous calls; all
    others must have the same outcome there.
    """

    fault: Fault
    once: Outcome
    for_ever: Outcome
    again: str = NEW_IMAGE
    but: str = ""
    reference: bool = False
    deadline_seconds: float = 60.0
    answer_timeout_seconds: float = 30.0
    download_timeout_seconds: float = 30.0

    @property
    def name(self) -> str:
        return f"{self.fault.kind}, {self.but}" if self.but else str(self.fault.kind)

    @property
    def only_task(self) -> bool:
        return self.fault.kind in TASK_FAULTS | TASK_QUERY_FAULTS

    def tag(self, how: str, *, task: bool = False) -> str:
        return f"<{self.name}, {how}{', as task' if task else ''}>"


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
    return Row(Fault(kind), IMAGE, Outcome("DamagedImage", sends=1, billed=1), again=FREE)


def dead(kind: FaultKind, **more: float) -> Row:
    """Return the row of a link that does not return the paid image."""
    return Row(Fault(kind), IMAGE, Outcome("LinkDead", sends=1, billed=1), again=FREE, **more)


def slow(kind: FaultKind, ends: Outcome, *, again: str = NEW_IMAGE, **more: object) -> Row:
    """Return the row of an answer or a download that takes too long."""
    fault = Fault(kind, delay_seconds=BEYOND_ANY_TIMEOUT_SECONDS)
    return Row(fault, ends, ends, again, **more)


def unasked(kind: FaultKind) -> Row:
    """Return the row of a query that fails: repeated until the deadline, and then by a retry."""
    for_ever = Outcome("TaskRunning", sends=1, billed=1, possible=1)
    return Row(Fault(kind), IMAGE, for_ever, again=FREE, deadline_seconds=5.0)


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
    Row(Fault(FaultKind.SLOW, delay_seconds=0.2), IMAGE, IMAGE, again=FREE, but="but in time"),
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
    Row(Fault(FaultKind.FEWER_IMAGES), RESENT, Outcome("NoImage", sends=2, billed=0)),
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
    Row(Fault(FaultKind.WRONG_SIZE_PNG), IMAGE, IMAGE, again=FREE),
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
        again=FREE,
        but="beyond the deadline",
        deadline_seconds=11.0,
    ),
    dead(FaultKind.DROP_DOWNLOAD),
    down(FaultKind.TASK_FAILED),
    refused(FaultKind.TASK_REFUSED, "ContentRefused"),
    refused(FaultKind.TASK_CANCELED, "RequestRejected"),
    unknown(FaultKind.TASK_LOST, "TaskLost", billed=1),
    Row(Fault(FaultKind.TASK_SLOW, delay_seconds=0.2), IMAGE, IMAGE, again=FREE, but="but in time"),
    slow(
        FaultKind.TASK_SLOW,
        Outcome("TaskRunning", sends=1, billed=0, possible=1),
        again=WAITS,
        but="beyond the deadline",
        deadline_seconds=5.0,
    ),
    unasked(FaultKind.TASK_QUERY_DROPPED),
    unasked(FaultKind.TASK_QUERY_UNAVAILABLE),
    unasked(FaultKind.TASK_QUERY_THROTTLED),
    unasked(FaultKind.TASK_QUERY_HTML),
]
