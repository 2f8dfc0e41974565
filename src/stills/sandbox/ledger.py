"""The record of everything that was sent to the sandbox, and what of it was billed."""

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any


class SendKind(StrEnum):
    """What a send asked for."""

    GENERATION = "generation"
    UPLOAD_POLICY = "upload_policy"
    UPLOAD = "upload"
    DOWNLOAD = "download"


@dataclass(frozen=True)
class Send:
    """One HTTP request that came in, and what became of it. Keys are never kept."""

    seq: int
    time: float
    """When it came in, in seconds since 1970."""
    kind: SendKind
    request_id: str
    model: str | None = None
    prompt: str | None = None
    """The text as received."""
    text: str | None = None
    """The text as used, cut to the service's limit."""
    text_cut: bool = False
    negative_prompt: str | None = None
    """The negative prompt as used."""
    negative_prompt_cut: bool = False
    size: str | None = None
    seed: int | None = None
    """The seed as used: the one given, or the one the service picked."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """The scalar parameters as received."""
    content: tuple[str, ...] = ()
    file_name: str | None = None
    finished: bool = False
    status: int | None = None
    """The HTTP status; none while it is in flight, or when the connection was dropped."""
    code: str | None = None
    fault: str | None = None
    billed: int = 0
    """How many images of it are billed."""


class Ledger:
    """All sends since the start or the last reset, in the order they came in.

    It grows without bound: a sandbox run is short.
    """

    def __init__(self) -> None:
        self._sends: dict[int, Send] = {}
        self._last_seq = 0

    @property
    def sends(self) -> tuple[Send, ...]:
        """Every send, in flight or finished."""
        return tuple(self._sends.values())

    @property
    def generations(self) -> tuple[Send, ...]:
        """The sends that asked for an image."""
        return self.of_kind(SendKind.GENERATION)

    @property
    def billed_images(self) -> int:
        """How many images the account would be billed for."""
        return sum(send.billed for send in self._sends.values())

    def of_kind(self, kind: SendKind) -> tuple[Send, ...]:
        """Return the sends of one kind."""
        return tuple(send for send in self._sends.values() if send.kind is kind)

    def open(self, kind: SendKind, request_id: str) -> int:
        """Record that a send came in; returns its `seq`."""
        self._last_seq += 1
        send = Send(seq=self._last_seq, time=time.time(), kind=kind, request_id=request_id)
        self._sends[send.seq] = send
        return send.seq

    def note(self, seq: int, **facts: Any) -> None:  # noqa: ANN401 - any field of Send
        """Add what became known of a send; one forgotten by a reset stays forgotten."""
        send = self._sends.get(seq)
        if send is not None:
            self._sends[seq] = replace(send, **facts)

    def clear(self) -> None:
        """Forget all sends; `seq` counts on, so one still in flight can't be mistaken."""
        self._sends.clear()

    def totals(self) -> dict[str, int]:
        """Count the sends by kind, and the billed images."""
        counts = Counter(send.kind for send in self._sends.values())
        return {
            "sends": len(self._sends),
            "generations": counts[SendKind.GENERATION],
            "upload_policies": counts[SendKind.UPLOAD_POLICY],
            "uploads": counts[SendKind.UPLOAD],
            "downloads": counts[SendKind.DOWNLOAD],
            "billed_images": self.billed_images,
        }

    def to_json(self) -> dict[str, Any]:
        """Return the whole ledger as JSON values."""
        return {"sends": [asdict(send) for send in self._sends.values()], "totals": self.totals()}
