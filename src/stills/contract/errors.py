"""Everything that can go wrong, as one tree.

StillsError
├── InvalidRequest            the request breaks a rule; nothing was sent
│   ├── UnknownModel          no such id in the model table
│   └── InvalidReference      the reference image can't be used
├── AccessError               the account may not do this
│   ├── KeyRefused            our own service does not know the caller's key
│   ├── MissingKey            no API key was given
│   ├── WrongKey              the service does not know the key
│   ├── AccessDenied          the key has no right to the model
│   ├── AccountOverdue        the account owes money
│   └── ModelNotServed        the model is retired, or not served in this region
├── LimitError                the account's allowance
│   ├── RateLimited           too many requests a minute
│   ├── QuotaExhausted        the quota is used up
│   └── BudgetExceeded        your own cap would be passed; it was not sent
├── ContentRefused            the content filter said no
├── ServiceError              the service, or the way to it, failed
│   ├── RequestRejected       the service calls a checked request invalid
│   ├── ServiceUnavailable    a 5xx answer
│   ├── ServiceUnreachable    no connection could be made
│   ├── ConnectionLost        the connection broke after the request went out
│   ├── AnswerTimeout         no answer came in time
│   ├── NoImage               an answer without an image
│   ├── UnexpectedAnswer      an answer that can't be read
│   ├── DamagedImage          the image that was made is not whole
│   ├── LinkDead              the image that was made can't be downloaded
│   ├── LinkLost              nor can it ever be: its link is lost
│   └── DeadlineExceeded      the whole job took longer than allowed
├── StorageError              this side's disks
│   ├── StoreRefused          the store can't be read or written
│   │   └── WrongStore        it is not the catalog's store, or its disk is not mounted
│   ├── ImageMissing          the catalog knows an image that the store has lost
│   ├── OutputRefused         the image is kept, but could not be copied to the path asked for
│   └── CatalogError          the database can't be used
│       └── CatalogDamaged    its file is damaged
└── ToolError                 another program or library of this machine, such as ffmpeg
    ├── ToolMissing           it is not installed
    ├── ToolFailed            it did not do its work
    ├── LibraryFailed         a library can't be loaded, or not enough files can be opened
    └── ForkedProcess         a native library can't be used in this forked process

Each error carries facts: `code` (stable, for programs), `retryable` (may the same request succeed
later, unchanged), `action` (what to do about it), `billing` (what it means for the money of this
request), `shared_billing` (what it means for the money of an equal request that made the call, when
this one only waited for it) and `request_id` (the service's, if there is one).

An error is a value: its facts never change, so it can be shared. `with_` returns a changed copy.
"""

import re
from enum import StrEnum
from typing import ClassVar, Self, TypedDict, Unpack

REFERENCE_FORMS = "an https URL, a path, a data URL or bytes"
"""How a reference is given in Python; doors have fewer forms, and say so in its place."""

UNKNOWN_OUTCOME_ACTION = "A retry sends it again, and both calls may be billed."
"""What to do about a call that may have made an image, although none came."""

_OPTION = re.compile(r"--[a-z]|\b(?:STILLS|DASHSCOPE)_[A-Z]")


class Billing(StrEnum):
    """What is known of the money for one send."""

    NONE = "none"
    POSSIBLE = "possible"
    BILLED = "billed"


class Facts(TypedDict, total=False):
    """What `StillsError.with_` can change; each class has those that its constructor takes."""

    message: str
    action: str
    billing: Billing
    shared_billing: Billing
    request_id: str | None
    field: str | None
    retry_after_seconds: float | None


class StillsError(Exception):
    """Stills could not make the image."""

    code: ClassVar[str] = "error"
    retryable: ClassVar[bool] = False
    default_action: ClassVar[str] = "Run again with --debug and report what you see."

    message: str
    action: str
    billing: Billing
    shared_billing: Billing
    request_id: str | None

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
        )

    def __setattr__(self, name: str, value: object) -> None:
        if not _is_pythons_own(name):
            raise AttributeError(f"{name} of a {type(self).__name__} can't be set: use with_()")
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        if not _is_pythons_own(name):
            raise AttributeError(f"{name} of a {type(self).__name__} can't be deleted")
        super().__delattr__(name)

    def __setstate__(self, state: dict[str, object] | None) -> None:
        vars(self).update(state or {})  # unpickling and copying set facts, too

    def with_(self, **facts: Unpack[Facts]) -> Self:
        """Return a copy with some facts changed, and the same traceback, cause and notes.

        Raises:
            TypeError: errors of this class have no such fact.
        """
        unknown = facts.keys() - vars(self).keys()
        if unknown:
            raise TypeError(f"{type(self).__name__} has no fact {', '.join(sorted(unknown))}")
        message = facts.get("message", self.message)
        copy = type(self).__new__(type(self), message)
        vars(copy).update(vars(self) | facts)
        if hasattr(self, "__notes__"):
            copy.__notes__ = list(self.__notes__)
        copy.__cause__, copy.__context__ = self.__cause__, self.__context__
        copy.__suppress_context__ = self.__suppress_context__
        return copy.with_traceback(self.__traceback__)

    @property
    def outcome_unknown(self) -> bool:
        """Whether a call may have made an image that never came, so that it may be billed."""
        return Billing.POSSIBLE in (self.billing, self.shared_billing)

    @property
    def can_repeat(self) -> bool:
        """Whether a program may repeat the request unasked without risking a second bill."""
        return self.retryable and not self.outcome_unknown

    @property
    def names_options(self) -> bool:
        """Whether the action names an option or a variable, which not all callers can set."""
        return _OPTION.search(self.action) is not None

    @classmethod
    def default_message(cls) -> str:
        """Say what happened in general: no path and nothing of this machine is in it."""
        return (cls.__doc__ or "").splitlines()[0]


def _is_pythons_own(name: str) -> bool:
    """Return whether Python itself sets it, such as `__traceback__`; it is no fact of ours."""
    return name.startswith("__") and name.endswith("__")


class InvalidRequest(StillsError):
    """The request breaks a rule of the contract."""

    code = "invalid_request"
    default_action = "Fix the request; nothing was sent."

    field: str | None

    def __init__(self, message: str = "", *, field: str | None = None, action: str = "") -> None:
        super().__init__(message, action=action)
        vars(self).update(field=field)


class UnknownModel(InvalidRequest):
    """No model of that id is in the model table."""

    code = "unknown_model"
    default_action = "Use an exact id; nothing was sent."


class InvalidReference(InvalidRequest):
    """The reference image can't be used."""

    code = "invalid_reference"
    default_action = f"Give {REFERENCE_FORMS} of a PNG, JPEG or WebP."


class AccessError(StillsError):
    """The account may not do this."""

    code = "access"
    default_action = "Check the account in the Model Studio console."


class KeyRefused(AccessError):
    """This service does not know the key."""

    code = "key_refused"
    default_action = (
        "Send `Authorization: Bearer KEY` with a key that whoever runs the service made with "
        "`stills keys add`."
    )


class MissingKey(AccessError):
    """No API key was given."""

    code = "missing_key"
    default_action = (
        "Set DASHSCOPE_API_KEY, or put dashscope_api_key under [default] in "
        "~/.alibabacloud/credentials, or add --sandbox to try without a key."
    )


class WrongKey(AccessError):
    """The service does not know this API key."""

    code = "wrong_key"
    default_action = (
        "Check the key, and that DASHSCOPE_HTTP_BASE_URL is of the key's own region; "
        "a refused send is not billed."
    )


class AccessDenied(AccessError):
    """The key has no right to this model."""

    code = "access_denied"
    default_action = "Activate the model for this account or workspace in the Model Studio console."


class AccountOverdue(AccessError):
    """The account owes money, so the service refuses."""

    code = "account_overdue"
    default_action = "Settle the Alibaba Cloud account; a refused send is not billed."


class ModelNotServed(AccessError):
    """The model is retired, or not served in this region."""

    code = "model_not_served"
    default_action = (
        "Choose another exact model id with --model or STILLS_MODEL; nothing was swapped, sent on "
        "or billed."
    )


class LimitError(StillsError):
    """The account's allowance is used up for now."""

    code = "limit"
    default_action = "Wait, then ask again."


class RateLimited(LimitError):
    """The service says: too many requests a minute."""

    code = "rate_limited"
    retryable = True
    default_action = "Ask again later or slower; a refused send is not billed."

    retry_after_seconds: float | None

    def __init__(
        self,
        message: str = "",
        *,
        retry_after_seconds: float | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message, request_id=request_id)
        vars(self).update(retry_after_seconds=retry_after_seconds)


class QuotaExhausted(LimitError):
    """The account's quota is used up; waiting a moment does not help."""

    code = "quota_exhausted"
    default_action = "Raise the quota in the Model Studio console; a refused send is not billed."


class BudgetExceeded(LimitError):
    """The image would cost more than your own cap allows."""

    code = "budget_exceeded"
    default_action = "Raise --max-cost or STILLS_BUDGET_USD; a day's budget is new at midnight UTC."


class ContentRefused(StillsError):
    """The service's content filter refused the prompt or the image."""

    code = "content_refused"
    default_action = (
        "Rephrase the prompt; the same words will be refused again. A refused send is not billed."
    )


class ServiceError(StillsError):
    """The service, or the way to it, failed."""

    code = "service"
    default_action = "Ask again later."

    def __init__(
        self,
        message: str = "",
        *,
        action: str = "",
        billing: Billing = Billing.NONE,
        request_id: str | None = None,
    ) -> None:
        unknown = UNKNOWN_OUTCOME_ACTION if billing is Billing.POSSIBLE else ""
        super().__init__(message, action=action or unknown, billing=billing, request_id=request_id)


class RequestRejected(ServiceError):
    """The service calls the request invalid."""

    code = "request_rejected"
    default_action = (
        "The service's rules may have changed: report it with the request id. "
        "A refused send is not billed."
    )


class ServiceUnavailable(ServiceError):
    """The service failed on its side."""

    code = "service_unavailable"
    retryable = True
    default_action = "Ask again in a few minutes; a failed send is not billed."


class ServiceUnreachable(ServiceError):
    """No connection to the service could be made."""

    code = "service_unreachable"
    retryable = True
    default_action = "Check the network and DASHSCOPE_HTTP_BASE_URL; nothing was sent."


class ConnectionLost(ServiceError):
    """The connection broke before the answer came."""

    code = "connection_lost"
    retryable = True
    default_action = UNKNOWN_OUTCOME_ACTION


class AnswerTimeout(ServiceError):
    """The service gave no answer in time."""

    code = "answer_timeout"
    retryable = True
    default_action = UNKNOWN_OUTCOME_ACTION


class NoImage(ServiceError):
    """The service answered without an image, twice."""

    code = "no_image"
    default_action = "Rephrase the prompt; an answer without an image is not billed."


class UnexpectedAnswer(ServiceError):
    """The service's answer can't be read."""

    code = "unexpected_answer"
    default_action = "Check DASHSCOPE_HTTP_BASE_URL; if it is right, report this."


class DamagedImage(ServiceError):
    """The service made an image that is not whole."""

    code = "damaged_image"
    default_action = (
        "Retry to download it again, free as long as its link lives (a day), or use --fresh to pay "
        "for a new one."
    )


class LinkDead(ServiceError):
    """The image was made, but its link does not answer."""

    code = "link_dead"
    retryable = True
    default_action = (
        "Ask again to download it without paying, or with --fresh to pay for a new one."
    )


class LinkLost(ServiceError):
    """The image was made and paid for, and its link is lost."""

    code = "link_lost"
    default_action = "Mend the catalog first; to ask again is paid for again."


class DeadlineExceeded(ServiceError):
    """The job took longer than allowed."""

    code = "deadline_exceeded"
    retryable = True
    default_action = "Ask again later, or allow more with STILLS_DEADLINE_SECONDS."

    def __init__(
        self, message: str = "", *, action: str = "", billing: Billing = Billing.NONE
    ) -> None:
        super().__init__(message, action=action or _LATE.get(billing, ""), billing=billing)


_LATE = {
    Billing.POSSIBLE: (f"{UNKNOWN_OUTCOME_ACTION} Allow more time with STILLS_DEADLINE_SECONDS."),
    Billing.BILLED: "Ask again: what is billed is finished without paying.",
}


class StorageError(StillsError):
    """This side's disks failed."""

    code = "storage"
    default_action = "Make room or mend the permissions, then ask again."


class StoreRefused(StorageError):
    """The store can't be read or written."""

    code = "store_refused"
    retryable = True


class WrongStore(StoreRefused):
    """This is not the store that the catalog's images are in, or its disk is not mounted."""

    code = "wrong_store"
    default_action = (
        "Mount the store's disk, correct STILLS_STORE or, if this is the right store, put an empty "
        "file store/id.txt into it, then ask again."
    )


class ImageMissing(StorageError):
    """The catalog knows this image, but the store has lost it."""

    code = "image_missing"
    default_action = "Put the file back, or ask with --fresh to pay for a new one."


class OutputRefused(StorageError):
    """The image is kept, but could not be copied to the path asked for."""

    code = "output_refused"
    default_action = "Choose a path that can be written; asking again costs nothing."


class CatalogError(StorageError):
    """The catalog's database can't be used."""

    code = "catalog"
    default_action = "Check OUTPUT_DIR or STILLS_CATALOG, and the disk; kept images are untouched."


class CatalogDamaged(CatalogError):
    """The catalog's file is damaged."""

    code = "catalog_damaged"
    default_action = (
        "The images are untouched: put a backup back, or run `stills recover --rebuild` to read "
        "them into a new catalog."
    )


class ToolError(StillsError):
    """Another program or library of this machine is needed, and does not work."""

    code = "tool"
    default_action = "Check that ffmpeg runs; the images are untouched."


class ToolMissing(ToolError):
    """A program that this needs is not installed."""

    code = "tool_missing"
    default_action = "Install it, such as by `apt install ffmpeg`."


class ToolFailed(ToolError):
    """Another program did not do its work."""

    code = "tool_failed"


class LibraryFailed(ToolError):
    """What an API call needs can't be loaded or opened, so nothing was sent."""

    code = "library_failed"
    default_action = (
        "Install Stills again, or allow more open files, such as by `ulimit -n 1024`; then retry."
    )


class ForkedProcess(ToolError):
    """This process was forked after its parent had generated images."""

    code = "forked_process"
    default_action = (
        "Fork workers before the first image is generated, start them with spawn, or call "
        "stills.generate, which uses a new process. Nothing was sent."
    )
