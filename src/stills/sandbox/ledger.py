"""The ledger: every request that the sandbox received, and what was billed."""

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any


class SendKind(StrEnum):
    """Kind of request."""

    GENERATION = "generation"
    TASK_QUERY = "task_query"
    MODEL_LIST = "model_list"
    UPLOAD_POLICY = "upload_policy"
    UPLOAD = "upload"
    DOWNLOAD = "download"


@dataclass(frozen=True)
class LedgerEntry:
    """One HTTP request and its outcome. API keys are never recorded."""

    seq: int
    time: float
    """When it arrived, in Unix seconds."""
    kind: SendKind
    request_id: str
    model: str | None = None
    prompt: str | None = None
    """The text as received."""
    text: str | None = None
    """The text as used, truncated to the service's limit."""
    text_cut: bool = False
    negative_prompt: str | None = None
    """The negative prompt as used."""
    negative_prompt_cut: bool = False
    size: str | None = None
    seed: int | None = None
    """The seed as used: the given one, or one that the service picked."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """The scalar parameters as received."""
    content: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    """The SHA-256 of each image as received, in order; of its URL if it was not sent as data."""
    file_name: str | None = None
    finished: bool = False
    status: int | None = None
    """The HTTP status; None while in flight, or if the connection was dropped."""
    code: str | None = None
    fault: str | None = None
    billed: int = 0
    """Number of billed images."""


class RequestLedger:
    """Every request since the start or the last reset, in order of arrival.

    It grows without limit, because a sandbox is short-lived.
    """

    def __init__(self) -> None:
        self._sends: dict[int, LedgerEntry] = {}
        self._last_seq = 0

    @property
    def sends(self) -> tuple[LedgerEntry, ...]:
        """Every request, in flight or finished."""
        return tuple(self._sends.values())

    @property
    def generations(self) -> tuple[LedgerEntry, ...]:
        """The generation requests."""
        return self.of_kind(SendKind.GENERATION)

    @property
    def billed_images(self) -> int:
        """Number of images that the account would be billed for."""
        return sum(send.billed for send in self._sends.values())

    def of_kind(self, kind: SendKind) -> tuple[LedgerEntry, ...]:
        """Return the requests of one kind."""
        return tuple(send for send in self._sends.values() if send.kind is kind)

    def open(self, kind: SendKind, request_id: str) -> int:
        """Add a request; returns its `seq`."""
        self._last_seq += 1
        send = LedgerEntry(seq=self._last_seq, time=time.time(), kind=kind, request_id=request_id)
        self._sends[send.seq] = send
        return send.seq

    def note(self, seq: int, **values: Any) -> None:  # noqa: ANN401 - any field of LedgerEntry
        """Set fields of an entry; entries forgotten by a reset stay forgotten."""
        send = self._sends.get(seq)
        if send is not None:
            self._sends[seq] = replace(send, **values)

    def clear(self) -> None:
        """Forget all entries. `seq` keeps counting, so one still in flight can't be mistaken."""
        self._sends.clear()

    def totals(self) -> dict[str, int]:
        """Count requests by kind, and billed images."""
        counts = Counter(send.kind for send in self._sends.values())
        return {
            "sends": len(self._sends),
            "generations": counts[SendKind.GENERATION],
            "task_queries": counts[SendKind.TASK_QUERY],
            "upload_policies": counts[SendKind.UPLOAD_POLICY],
            "uploads": counts[SendKind.UPLOAD],
            "downloads": counts[SendKind.DOWNLOAD],
            "billed_images": self.billed_images,
        }

    def to_json(self) -> dict[str, Any]:
        """Return the ledger as JSON values."""
        return {"sends": [asdict(send) for send in self._sends.values()], "totals": self.totals()}
