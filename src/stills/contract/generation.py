"""The records that steps and adapters hand to each other. All frozen; none holds image bytes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from stills.contract.errors import Billing
from stills.contract.size import Size


class Stage(StrEnum):
    """How far one generation has come: the journal's states."""

    CLAIMED = "claimed"
    SENT = "sent"
    ANSWERED = "answered"
    SPOOLED = "spooled"
    KEPT = "kept"
    FAILED = "failed"

    @property
    def billing(self) -> Billing:
        """What reaching it means for the money, whatever comes after."""
        if self in (Stage.CLAIMED, Stage.FAILED):
            return Billing.NONE
        return Billing.POSSIBLE if self is Stage.SENT else Billing.BILLED


Chunks = Sequence[bytes]
"""Bytes as they came over the wire; to join them would copy an image once more."""

OnStage = Callable[[Stage], None]
"""Called on the event loop each time a generation reaches a stage."""

OnSendSettled = Callable[["GenerationSpec", Billing], None]
"""Called on the event loop as each API call ends, with its generation and its billing."""


@dataclass(frozen=True, slots=True)
class ProviderRequest:
    """What one send asks of the provider.

    `reference_url` is an https or a data URL.
    """

    model: str
    text: str
    negative_prompt: str | None
    size: Size
    seed: int
    prompt_extend: bool
    watermark: bool
    reference_url: str | None = None


@dataclass(frozen=True, slots=True)
class ProviderAnswer:
    """What the provider made. `expires_at` is in Unix seconds; 0 means that the link is dead."""

    image_url: str
    expires_at: float
    request_id: str | None


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a whole PNG turned out to be. `sha256` is the hex digest of its bytes."""

    size: Size
    sha256: str
    byte_count: int


@dataclass(frozen=True, slots=True)
class GenerationSpec:
    """A generation that is wanted but not yet paid for.

    `key` finds it again as it was asked for. `seeded_key` finds it by the seed that was sent, so
    that a caller who asks with the seed of an earlier result gets that image. `text` is what is
    sent; `prompt` and `style` are as first asked for, for people to read.
    """

    key: str
    seeded_key: str
    provider: str
    model: str
    prompt: str
    style: str | None
    text: str
    negative_prompt: str | None
    native_size: Size
    seed: int
    reference_digest: str | None
    price_usd: float | None


@dataclass(frozen=True, slots=True)
class Generation:
    """One paid image, or one on its way; `answer` is as journalled. Times are Unix seconds.

    `spool_url` is where a spooled image is; None if it was spooled before catalogs recorded that.
    """

    id: str
    spec: GenerationSpec
    stage: Stage
    created_at: float
    notes: tuple[str, ...] = ()
    answer: ProviderAnswer | None = None
    sha256: str | None = None
    byte_count: int | None = None
    object_path: str | None = None
    spool_url: str | None = None


@dataclass(frozen=True, slots=True)
class Rendition:
    """A generation at the size asked for. `byte_count` and `sha256` are of the stored PNG."""

    generation_id: str
    size: Size
    sha256: str
    byte_count: int
    object_path: str

    @property
    def id(self) -> str:
        """The public id of the image."""
        return rendition_id(self.generation_id, self.size)


def rendition_id(generation_id: str, size: Size) -> str:
    """Name a rendition: `3f9a1c2b7d4e-1024x1024`."""
    return f"{generation_id}-{size.width}x{size.height}"


@dataclass(frozen=True, slots=True)
class CatalogHit:
    """What the catalog holds for a key: the kept generation, and the rendition if there is one."""

    generation: Generation
    rendition: Rendition | None


@dataclass(frozen=True, slots=True)
class Held:
    """Another worker's claim on a key: the process that holds it, and since when (Unix seconds)."""

    host: str
    pid: int
    since: float


@dataclass(frozen=True, slots=True)
class Claim:
    """The sole right to work on one generation key; `Catalog.claim` says how long it lasts.

    `cut_off` names the generations of this key that were sent and never journalled as kept: one
    may lie in the store.
    """

    key: str
    token: str
    generation: Generation
    cut_off: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Settlement:
    """How one send ended, for the ledger."""

    billing: Billing
    code: str
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """One answered request, as the catalog remembers it. `reference` is shown without secrets."""

    prompt: str
    size: Size
    negative_prompt: str | None
    style: str | None
    seed: int | None
    reference: str | None


@dataclass(frozen=True, slots=True)
class Image:
    """A rendition with the generation that it is of."""

    rendition: Rendition
    generation: Generation


@dataclass(frozen=True, slots=True)
class StoredObject:
    """What the catalog says lies at a path; `owner` is an image's or a generation's id."""

    path: str
    sha256: str
    owner: str


@dataclass(frozen=True, slots=True)
class KnownStore:
    """What a catalog knows of the store that its images are in.

    `id` is what the store's marker says, `confirmed` whether it was seen there. `newest` are a few
    of the newest kept images: bytes by path.
    """

    id: str
    confirmed: bool
    newest: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Send:
    """One line of the ledger. Times are Unix seconds."""

    sent_at: float
    settled_at: float | None
    billing: Billing
    code: str
    request_id: str | None
