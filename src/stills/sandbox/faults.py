"""Faults on demand: failures between a client, the service and its object store."""

import random
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any, Self


class FaultKind(StrEnum):
    """Every fault the sandbox can inject.

    Those in `TASK_FAULTS` apply to asynchronous tasks, those in `TASK_QUERY_FAULTS` to queries of
    tasks, those in `DOWNLOAD_FAULTS` to downloads, and all others to generation requests.
    """

    meaning: str
    """What a client sees, in one sentence."""

    def __new__(cls, value: str, meaning: str) -> Self:
        """Make a member with its meaning."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    THROTTLED = (
        "throttled",
        "429 Throttling.RateQuota, with Retry-After if `retry_after_seconds` is set.",
    )
    TOKENS_THROTTLED = (
        "tokens_throttled",
        "429 Throttling.AllocationQuota: too many tokens a minute, so waiting helps.",
    )
    QUOTA_EXHAUSTED = (
        "quota_exhausted",
        "429 Throttling.AllocationQuota, free allocated quota exceeded: waiting does not help.",
    )
    FREE_TIER_USED = (
        "free_tier_used",
        "403 AllocationQuota.FreeTierOnly: the free tier is used up, and paid use is off.",
    )
    PREPAID_OVERDUE = "prepaid_overdue", "429 PrepaidBillOverdue: waiting does not help."
    POSTPAID_OVERDUE = "postpaid_overdue", "429 PostpaidBillOverdue: waiting does not help."
    NOT_PURCHASED = "not_purchased", "429 CommodityNotPurchased: waiting does not help."
    WORKSPACE_DENIED = (
        "workspace_denied",
        "403 Workspace.AccessDenied: the key belongs to another workspace.",
    )
    INTERNAL_ERROR = "internal_error", "500 InternalError."
    UNAVAILABLE = "unavailable", "503 ServiceUnavailable."
    GATEWAY_HTML = (
        "gateway_html",
        "502 with an HTML page, as from a gateway in front of the service.",
    )
    GATEWAY_UNAVAILABLE = (
        "gateway_unavailable",
        "503 with an HTML page: the gateway passed nothing on to the service.",
    )
    GATEWAY_TIMEOUT = (
        "gateway_timeout",
        "504 with an HTML page after the image is made; it is billed.",
    )
    TOO_LARGE = "too_large", "413 with an HTML page: the gateway takes no request of this size."
    DROP_BEFORE = (
        "drop_before",
        "The connection is dropped before an image is made; nothing is billed.",
    )
    DROP_AFTER = "drop_after", "The connection is dropped after the image is made; it is billed."
    TRUNCATED_ANSWER = (
        "truncated_answer",
        "200 with only the first half of the JSON; the image is billed.",
    )
    HTML_ANSWER = "html_answer", "200 with an HTML page, as from a proxy; the image is billed."
    SLOW = "slow", "The answer arrives `delay_seconds` late, and is billed."
    NO_IMAGE = "no_image", "200 with text instead of an image; nothing is billed."
    FEWER_IMAGES = (
        "fewer_images",
        "200 with one image fewer than `n`; only those in the answer are billed.",
    )
    ERROR_IN_200 = "error_in_200", "200 with a code and a message and no output; nothing is billed."
    CONTENT_REFUSED = (
        "content_refused",
        "400 DataInspectionFailed: the content filter refused the prompt.",
    )
    IP_INFRINGEMENT = "ip_infringement", "400 IPInfringementSuspect: the prompt names a brand."
    FAQ_BLOCKED = "faq_blocked", "400 FaqRuleBlocked: a rule of the service blocks the prompt."
    REFERENCE_NOT_INSPECTED = (
        "reference_not_inspected",
        "400 InvalidParameter.DataInspection: the service could not download the reference.",
    )
    REFERENCE_URL_INVALID = (
        "reference_url_invalid",
        "400 InvalidURL: the URL of the reference leads to no image.",
    )
    REFERENCE_NOT_DOWNLOADED = (
        "reference_not_downloaded",
        "400 InvalidFile.DownloadFailed: the service could not download the reference.",
    )
    REFERENCE_UNREADABLE = (
        "reference_unreadable",
        "400 InvalidImage.FileFormat: the service can't read the reference.",
    )
    MODEL_NOT_EXIST = "model_not_exist", "400 InvalidParameter with `Model not exist`."
    RETIRED_MODEL = "retired_model", "404 ModelNotFound, with the message for a retired model."
    TASK_FAILED = "task_failed", "The task ends as FAILED with InternalError; nothing is billed."
    TASK_REFUSED = (
        "task_refused",
        "The task ends as FAILED with DataInspectionFailed: the content filter refused the image.",
    )
    TASK_CANCELED = "task_canceled", "The task ends as CANCELED; nothing is billed."
    TASK_SLOW = "task_slow", "The task takes `delay_seconds` longer, and is billed when it ends."
    TASK_LOST = (
        "task_lost",
        "The service answers UNKNOWN, as 24 hours later, although the image is made and billed.",
    )
    TASK_QUERY_DROPPED = (
        "task_query_dropped",
        "The connection is dropped when the client asks for the task, which continues.",
    )
    TASK_QUERY_UNAVAILABLE = (
        "task_query_unavailable",
        "503 ServiceUnavailable when the client asks for the task, which continues.",
    )
    TASK_QUERY_THROTTLED = (
        "task_query_throttled",
        "429 Throttling.RateQuota when the client asks for the task, which continues.",
    )
    TASK_QUERY_HTML = (
        "task_query_html",
        "200 with an HTML page when the client asks for the task, which continues.",
    )
    TRUNCATED_PNG = (
        "truncated_png",
        "The download is a complete HTTP answer with only the first half of the PNG.",
    )
    CORRUPT_PNG = (
        "corrupt_png",
        "The download is a PNG with bytes of its image data flipped, so a checksum is wrong.",
    )
    SHORT_IDAT = (
        "short_idat",
        "The download is a PNG with intact chunks that hold half of its rows.",
    )
    GARBAGE_IDAT = (
        "garbage_idat",
        "The download is a PNG with intact chunks, and image data that is not compressed.",
    )
    BAD_FILTER = (
        "bad_filter",
        "The download is a PNG with intact chunks, one row of which has a filter that PNG lacks.",
    )
    IMPOSSIBLE_HEADER = (
        "impossible_header",
        "The download is a PNG with intact chunks whose header says 3 bits a channel.",
    )
    NO_PALETTE = "no_palette", "The download is a PNG with intact chunks that lacks its palette."
    WRONG_SIZE_PNG = (
        "wrong_size_png",
        "The download is a sound PNG of half the width and height promised.",
    )
    NOT_A_PNG = "not_a_png", "The download is an HTML page with status 200."
    DEAD_URL = "dead_url", "The result URL answers 403 AccessDenied with XML, as OSS does."
    SLOW_DOWNLOAD = "slow_download", "The download stalls in the middle for `delay_seconds`."
    DROP_DOWNLOAD = "drop_download", "The connection is dropped in the middle of the download."


TASK_FAULTS = frozenset(
    {
        FaultKind.TASK_FAILED,
        FaultKind.TASK_REFUSED,
        FaultKind.TASK_CANCELED,
        FaultKind.TASK_SLOW,
        FaultKind.TASK_LOST,
    }
)
TASK_QUERY_FAULTS = frozenset(
    {
        FaultKind.TASK_QUERY_DROPPED,
        FaultKind.TASK_QUERY_UNAVAILABLE,
        FaultKind.TASK_QUERY_THROTTLED,
        FaultKind.TASK_QUERY_HTML,
    }
)
DOWNLOAD_FAULTS = frozenset(
    {
        FaultKind.TRUNCATED_PNG,
        FaultKind.CORRUPT_PNG,
        FaultKind.SHORT_IDAT,
        FaultKind.GARBAGE_IDAT,
        FaultKind.BAD_FILTER,
        FaultKind.IMPOSSIBLE_HEADER,
        FaultKind.NO_PALETTE,
        FaultKind.WRONG_SIZE_PNG,
        FaultKind.NOT_A_PNG,
        FaultKind.DEAD_URL,
        FaultKind.SLOW_DOWNLOAD,
        FaultKind.DROP_DOWNLOAD,
    }
)


GENERATION_FAULTS = frozenset(FaultKind) - TASK_FAULTS - TASK_QUERY_FAULTS - DOWNLOAD_FAULTS


@dataclass(frozen=True)
class Fault:
    """A fault to inject into valid requests; its kind decides into which."""

    kind: FaultKind
    times: int | None = 1
    """How often it happens; None means always."""
    match: str | None = None
    """Only requests whose prompt contains this text."""
    retry_after_seconds: int | None = None
    delay_seconds: float = 1.0
    probability: float = 1.0
    """Probability for each request that it could happen to."""
    random_seed: int = 0
    """Seed of the random numbers for `probability`."""
    compatible: bool = False
    """Whether a refusal has the OpenAI-compatible form: an `error` object, a snake_case code."""

    def __post_init__(self) -> None:
        """Raise `ValueError` with the name of the field for an invalid value."""
        object.__setattr__(self, "kind", _kind(self.kind))
        _require("times", self.times, _is_none(self.times) or _is_int(self.times, at_least=1))
        _require("match", self.match, _is_none(self.match) or isinstance(self.match, str))
        wait = self.retry_after_seconds
        _require("retry_after_seconds", wait, _is_none(wait) or _is_int(wait, at_least=0))
        delay = self.delay_seconds
        _require("delay_seconds", delay, _is_number(delay) and 0 <= delay < float("inf"))
        _require(
            "probability",
            self.probability,
            _is_number(self.probability) and 0 < self.probability <= 1,
        )
        _require("random_seed", self.random_seed, _is_int(self.random_seed, at_least=0))
        _require("compatible", self.compatible, type(self.compatible) is bool)

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Read a fault; raises `ValueError` if it is invalid."""
        if not isinstance(value, dict) or "kind" not in value:
            raise ValueError("a fault must be an object with a kind")
        names = [item.name for item in fields(cls)]
        unknown = sorted(value.keys() - set(names))
        if unknown:
            raise ValueError(f"unknown: {', '.join(unknown)}; known: {', '.join(names)}")
        return cls(**value)


class _ArmedFault:
    """A fault, and how often it will still happen."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.left = fault.times
        self._random = random.Random(fault.random_seed)  # noqa: S311 - not for security

    def happens_to(self, prompt: str, kinds: frozenset[FaultKind]) -> bool:
        fault = self.fault
        if self.left == 0 or fault.kind not in kinds:
            return False
        if fault.match is not None and fault.match not in prompt:
            return False
        if self._random.random() >= fault.probability:
            return False
        if self.left is not None:
            self.left -= 1
        return True


class FaultBoard:
    """The faults that are set; if several could happen, the first one does."""

    def __init__(self) -> None:
        self._armed: list[_ArmedFault] = []

    def set(self, faults: Iterable[Fault]) -> None:
        """Replace all faults."""
        self._armed = [_ArmedFault(fault) for fault in faults]

    def for_generation(self, prompt: str) -> Fault | None:
        """Return the fault for this valid generation request, if any, and count it."""
        return self._next(prompt, GENERATION_FAULTS)

    def for_task(self, prompt: str) -> Fault | None:
        """Return the fault for this new task, if any, and count it."""
        return self._next(prompt, TASK_FAULTS)

    def for_task_query(self, prompt: str) -> Fault | None:
        """Return the fault for this query of a task, if any, and count it."""
        return self._next(prompt, TASK_QUERY_FAULTS)

    def for_download(self, prompt: str) -> Fault | None:
        """Return the fault for this download, if any, and count it."""
        return self._next(prompt, DOWNLOAD_FAULTS)

    def to_json(self) -> list[Mapping[str, Any]]:
        """Return the faults, each with the `times` it has left."""
        return [asdict(armed.fault) | {"times": armed.left} for armed in self._armed]

    def _next(self, prompt: str, kinds: frozenset[FaultKind]) -> Fault | None:
        happening = (a.fault for a in self._armed if a.happens_to(prompt, kinds))
        return next(happening, None)


def _kind(value: object) -> FaultKind:
    try:
        return FaultKind(value)  # type: ignore[call-arg,arg-type]
    except ValueError:
        raise ValueError(f"kind must be one of {', '.join(FaultKind)}") from None


def _require(name: str, value: object, valid: bool) -> None:
    if not valid:
        raise ValueError(f"{name} can't be {value!r}")


def _is_none(value: object) -> bool:
    return value is None


def _is_int(value: object, *, at_least: int) -> bool:
    return type(value) is int and value >= at_least


def _is_number(value: object) -> bool:
    return type(value) in {int, float}
