"""The values that steps and adapters pass to each other. All are frozen, without image bytes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from stills.contract.errors import Billing
from stills.contract.size import Size


class Stage(StrEnum):
    """The state of one generation in the journal, from `claimed` to `kept` or `failed`.

    `claimed`: one process works on it; nothing was sent. `sent`: an API call is under way.
    `answered`: the image is paid for and can be downloaded. `spooled`: it is in the local spool,
    because the store refused it. `kept`: it is stored. `failed`: the call made no image.
    """

    CLAIMED = "claimed"
    SENT = "sent"
    ANSWERED = "answered"
    SPOOLED = "spooled"
    KEPT = "kept"
    FAILED = "failed"

    @property
    def billing(self) -> Billing:
        """What is known about the money of a generation that has reached this stage."""
        if self in (Stage.CLAIMED, Stage.FAILED):
            return Billing.NONE
        return Billing.POSSIBLE if self is Stage.SENT else Billing.BILLED


Chunks = Sequence[bytes]
"""Bytes as they were received; joining them would copy the image."""

OnStage = Callable[[Stage], None]
"""Called on the event loop each time a generation reaches a stage."""

OnStageOf = Callable[[int, Stage], None]
"""The same for many requests or takes: also gets the number of the request or take, from 0."""

OnSendSettled = Callable[["GenerationSpec", Billing], None]
"""Called on the event loop as each API call ends, with its generation and its billing."""


@dataclass(frozen=True, slots=True)
class ProviderRequest:
    """One call to the provider; `images` is how many it makes, and `seed` that of the first.

    `reference_urls` are data URLs, in order.
    """

    model: str
    text: str
    negative_prompt: str | None
    size: Size
    seed: int
    prompt_extend: bool
    watermark: bool
    reference_urls: tuple[str, ...] = ()
    prompt_extend_mode: str | None = None
    enable_thinking: bool | None = None
    images: int = 1


@dataclass(frozen=True, slots=True)
class ProviderAnswer:
    """The provider's image. `expires_at` is in Unix seconds; 0 means that the link is dead.

    `further_urls` are links to the other images of a call for several.
    """

    image_url: str
    expires_at: float
    request_id: str | None
    further_urls: tuple[str, ...] = ()

    @property
    def single_images(self) -> "tuple[ProviderAnswer, ...]":
        """The same as one answer per image."""
        urls = (self.image_url, *self.further_urls)
        return tuple(ProviderAnswer(url, self.expires_at, self.request_id) for url in urls)


@dataclass(frozen=True, slots=True)
class Inspection:
    """The properties of a complete PNG. `sha256` is the hex digest of its bytes."""

    size: Size
    sha256: str
    byte_count: int


@dataclass(frozen=True, slots=True)
class ReferenceRecord:
    """A reference image that was sent.

    `digest` is the hex SHA-256 that stands for it in the key. `shown` is its name for people,
    without secrets; None if an older version recorded it.
    """

    digest: str
    shown: str | None


@dataclass(frozen=True, slots=True)
class GenerationSpec:
    """A generation that is requested but not yet paid for.

    `key` identifies the request. `seeded_key` identifies it by the seed that was sent, so that a
    request with the seed of an earlier result gets that image. `text` is sent to the provider;
    `prompt`, `style` and the names of `references` are those of the first request, to be shown to
    people. `native_size` is requested from the model; in a stored generation, it is the size that
    the model made.
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
    references: tuple[ReferenceRecord, ...]
    price_usd: float | None
    prompt_extend: bool = True
    prompt_extend_mode: str | None = None
    enable_thinking: bool | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """An asynchronous call whose outcome is not known yet; `send` is its number in the ledger.

    `image` is the number of the generation's image in it, from 0: a task can make several.
    """

    id: str
    send: int
    image: int = 0


@dataclass(frozen=True, slots=True)
class Generation:
    """One image that is paid for or in progress. Times are Unix seconds.

    `task` can be asked for the outcome of the last call. `spool_url` is the URL of a spooled image,
    `spool_owner` the name of the machine that spooled it; None if an older version did.
    `is_imported` if it was paid for elsewhere, as only its sidecar knows.
    """

    id: str
    spec: GenerationSpec
    stage: Stage
    created_at: float
    notes: tuple[str, ...] = ()
    task: Task | None = None
    answer: ProviderAnswer | None = None
    sha256: str | None = None
    byte_count: int | None = None
    object_path: str | None = None
    spool_url: str | None = None
    spool_owner: str | None = None
    is_imported: bool = False


@dataclass(frozen=True, slots=True)
class Rendition:
    """A generation in the requested size. `byte_count` and `sha256` describe the stored PNG."""

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
    """Return the id of a rendition, such as `3f9a1c2b7d4e-1024x1024`."""
    return f"{generation_id}-{size.width}x{size.height}"


@dataclass(frozen=True, slots=True)
class CatalogHit:
    """The stored generation for a key, and its rendition in the requested size, if there is one."""

    generation: Generation
    rendition: Rendition | None


@dataclass(frozen=True, slots=True)
class CatalogMiss:
    """A key without a stored generation; `deleted_at` is when one was deleted, in Unix seconds."""

    deleted_at: float | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """Another worker's claim on a key: its process, and since when it is held (Unix seconds)."""

    host: str
    pid: int
    since: float


@dataclass(frozen=True, slots=True)
class Claim:
    """The exclusive right to work on one generation key; the port says how long it lasts.

    `cut_off` lists the ids of generations of this key that were sent but not journalled as kept:
    the store may have the image of one of them.
    """

    key: str
    token: str
    generation: Generation
    cut_off: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Settlement:
    """The outcome of one API call, for the ledger."""

    billing: Billing
    code: str
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class AnsweredSend:
    """A generation's image and the settlement of its send, number `send` in the ledger."""

    generation_id: str
    answer: ProviderAnswer
    send: int
    settlement: Settlement


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """One answered request, as the catalog records it. `references` have no secrets in them."""

    prompt: str
    size: Size
    negative_prompt: str | None
    style: str | None
    seed: int | None
    references: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Image:
    """A stored image: `rendition` is the PNG at its size, `generation` how it was made."""

    rendition: Rendition
    generation: Generation


@dataclass(frozen=True, slots=True)
class StoredObject:
    """A stored file, as the catalog knows it; `owner` is the id of an image or a generation."""

    path: str
    sha256: str
    owner: str
    generation_id: str


@dataclass(frozen=True, slots=True)
class KnownStore:
    """What a catalog knows about its store.

    `id` is the id in the store's marker, and `confirmed` whether it was seen there. `newest` maps
    the paths of a few of the newest images to their byte counts.
    """

    id: str
    confirmed: bool
    newest: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Send:
    """One API call in the ledger. Times are Unix seconds; `payer` is the name of an API key."""

    sent_at: float
    settled_at: float | None
    billing: Billing
    code: str
    request_id: str | None
    payer: str | None = None
