"""Everything that can go wrong, as one tree.

StillsError
├── UsageError                what the caller gave can't be used
│   ├── InvalidRequest        the request breaks a rule; nothing was sent
│   │   ├── UnknownModel      the model table has no such id
│   │   └── InvalidReference  the reference image can't be used
│   ├── ConfigError           a setting, such as a variable or a port, can't be used
│   ├── NotFound              nothing with this id or name exists
│   └── Conflict              this name is already in use
├── AccessError               the account may not do this
│   ├── KeyRefused            our own service does not accept the caller's key
│   ├── MissingKey            no API key was given
│   ├── WrongKey              the service does not know the key
│   ├── AccessDenied          the key may not use the model
│   ├── AccountOverdue        the account owes money
│   └── ModelNotServed        the model is retired, or not served in this region
├── LimitError                the account's allowance
│   ├── RateLimited           too many requests a minute
│   ├── QuotaExhausted        the quota is used up
│   └── BudgetExceeded        your own cap would be exceeded; nothing was sent
├── ContentRefused            the content filter refused the prompt or the image
├── ServiceError              the service, or the way to it, failed
│   ├── RequestRejected       the service calls a checked request invalid
│   ├── ServiceUnavailable    a 5xx answer
│   ├── ServiceUnreachable    no connection could be made
│   ├── ConnectionLost        the connection broke after the request was sent
│   ├── AnswerTimeout         no answer came in time
│   ├── CallInterrupted       a job's worker was stopped during the call
│   ├── NoImage               an answer without an image
│   ├── UnexpectedAnswer      an answer that can't be read
│   ├── DamagedImage          the image that was made is damaged
│   ├── LinkDead              the image that was made can't be downloaded
│   ├── LinkLost              it can no longer be downloaded: its link is lost
│   ├── TaskRunning           the deadline passed, but the service continues with the image
│   ├── TaskLost              the service no longer knows the call; it may be billed
│   └── DeadlineExceeded      the request took longer than allowed
├── StorageError              local storage
│   ├── StoreRefused          the store can't be read or written
│   │   └── WrongStore        it is not the catalog's store, or its disk is not mounted
│   ├── ImageMissing          the catalog lists an image that the store has lost
│   ├── OutputRefused         the image is stored, but could not be copied to the requested path
│   ├── CatalogError          the database can't be used
│   │   └── CatalogDamaged    its file is damaged
│   └── JobsError             the database of jobs can't be used
└── ToolError                 another program or library on this machine, such as ffmpeg
    ├── ToolMissing           it is not installed
    ├── ToolFailed            it failed
    ├── LibraryFailed         a library can't be loaded, or not enough files can be opened
    └── ForkedProcess         a native library can't be used in this forked process

An error is a value: its attributes never change, so it can be shared. `with_` returns a changed
copy. Two kinds of readers are kept apart:

- The operator uses the command line, Python or the logs of a service. `message` and `action` are
  for the operator and may name paths, options and variables of this machine.
- A stranger calls the operator's service. `public_message` and `public_action` are safe to show to
  anyone; a front end adds its own sentence for `remedy`.
"""

from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar, Self, TypedDict, Unpack

from stills.contract.errors.remedies import Remedy

if TYPE_CHECKING:
    from stills.contract.result import ImageResult


class Billing(StrEnum):
    """What is known about the money for one call.

    `none`: it is not billed. `possible`: it may be billed, because its outcome is unknown.
    `billed`: it is.
    """

    NONE = "none"
    POSSIBLE = "possible"
    BILLED = "billed"


class Changes(TypedDict, total=False):
    """What `StillsError.with_` can change; each class has those that its constructor takes."""

    message: str
    action: str
    billing: Billing
    shared_billing: Billing
    request_id: str | None
    stored_takes: "tuple[ImageResult, ...]"
    field: str | None
    retry_after_seconds: float | None


class StillsError(Exception):
    """Stills could not make the image.

    A traceback shows the action below the message, and what was billed.
    """

    code: ClassVar[str] = "error"
    """Stable, for programs."""

    retryable: ClassVar[bool] = False
    """Whether the same request may succeed later, unchanged."""

    default_remedy: ClassVar[Remedy] = Remedy.REPORT
    """What helps, before money is considered; see `remedy`."""

    default_action: ClassVar[str] = "Run again with --debug and report what you see."
    """What the operator should do, unless a case has its own action."""

    is_public: ClassVar[bool] = True
    """Whether a stranger may read the message."""

    message: str
    action: str
    billing: Billing
    """What this error means for the money of this request."""
    shared_billing: Billing
    """What it means for the money of an equal request that made the call, when this one waited."""
    request_id: str | None
    """The service's id of the call, if there is one."""
    stored_takes: "tuple[ImageResult, ...]"
    """The images of the request's other takes, which are stored; what they cost is not in
    `billing`."""

    def __init__(
        self,
        message: str = "",
        *,
        action: str = "",
        billing: Billing = Billing.NONE,
        request_id: str | None = None,
    ) -> None:
        message = message or self.default_message()
        super().__init__(message)
        vars(self).update(
            message=message,
            action=action or self.default_action,
            billing=billing,
            shared_billing=Billing.NONE,
            request_id=request_id,
            stored_takes=(),
        )
        self.__notes__ = [_advise(self)]

    def __setattr__(self, name: str, value: object) -> None:
        if not _is_pythons_own(name):
            raise AttributeError(f"{name} of a {type(self).__name__} can't be set: use with_()")
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        if not _is_pythons_own(name):
            raise AttributeError(f"{name} of a {type(self).__name__} can't be deleted")
        super().__delattr__(name)

    def __setstate__(self, state: dict[str, object] | None) -> None:
        vars(self).update(state or {})  # unpickling and copying set attributes, too

    def with_(self, **changes: Unpack[Changes]) -> Self:
        """Return a copy with some attributes changed, and the same traceback, cause and notes.

        Raises:
            TypeError: errors of this class don't have such an attribute.
        """
        unknown = changes.keys() - vars(self).keys()
        if unknown:
            raise TypeError(f"{type(self).__name__} has no attribute {', '.join(sorted(unknown))}")
        message = changes.get("message", self.message)
        copy = type(self).__new__(type(self), message)
        vars(copy).update(vars(self) | changes)
        copy.__notes__ = [_advise(copy), *self.__notes__[1:]]
        copy.__cause__, copy.__context__ = self.__cause__, self.__context__
        copy.__suppress_context__ = self.__suppress_context__
        return copy.with_traceback(self.__traceback__)

    @property
    def remedy(self) -> Remedy:
        """What helps. If a call was billed, or may be, that decides what a retry means."""
        if self.default_remedy in _RETRIES:
            return _RETRIES_BY_BILLING.get(self.billing, self.default_remedy)
        return self.default_remedy

    @property
    def public_message(self) -> str:
        """What happened, in words that any caller of a service may read."""
        return self.message if self.is_public else self.default_public_message()

    @property
    def public_action(self) -> str:
        """What any caller of a service can do in this case; empty if only the remedy says it."""
        return ""

    @property
    def outcome_unknown(self) -> bool:
        """Whether a call may have made an image that never came, so that it may be billed."""
        return Billing.POSSIBLE in (self.billing, self.shared_billing)

    @property
    def has_billed_takes(self) -> bool:
        """Whether this request paid for other takes, which are stored."""
        return any(not take.cached for take in self.stored_takes)

    @property
    def can_repeat(self) -> bool:
        """Whether a program may retry without asking and without risking a second bill."""
        return self.retryable and not self.outcome_unknown

    @classmethod
    def default_message(cls) -> str:
        """Return what happened in general, without a path or anything else of this machine."""
        return (cls.__doc__ or "").splitlines()[0]

    @classmethod
    def default_public_message(cls) -> str:
        """Return what a stranger reads if the message is not public."""
        return cls.default_message()


_MONEY = {
    Billing.NONE: "",
    Billing.POSSIBLE: "Possibly billed. ",
    Billing.BILLED: "Billed. ",
}
_RETRIES = {Remedy.RETRY_LATER, Remedy.ALLOW_TIME, Remedy.SLOW_DOWN, Remedy.CHECK_SERVICE}
_RETRIES_BY_BILLING = {
    Billing.POSSIBLE: Remedy.RETRY_MAY_BILL_TWICE,
    Billing.BILLED: Remedy.RETRY_FREE,
}


def _advise(error: StillsError) -> str:
    """Return what a traceback says below the message."""
    return f"{_MONEY[error.billing]}{error.action}"


def _is_pythons_own(name: str) -> bool:
    """Return whether Python itself sets an attribute, such as `__traceback__`."""
    return name.startswith("__") and name.endswith("__")
