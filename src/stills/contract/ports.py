"""What the pipeline needs from outside. One conformance suite per port runs on every adapter."""

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Protocol, TypeVar

from stills.contract.access import ApiKeys, IdempotencyStore
from stills.contract.generation import (
    CatalogHit,
    Chunks,
    Claim,
    Generation,
    GenerationSpec,
    Held,
    Image,
    Inspection,
    KnownStore,
    ProviderAnswer,
    ProviderRequest,
    Rendition,
    RequestRecord,
    Send,
    Settlement,
    StoredObject,
)
from stills.contract.money import Caps, SpendBy, SpendLine
from stills.contract.rate_limit import LimiterState, LimitScope
from stills.contract.search import ImagePage, ImageSearch
from stills.contract.size import Size

Value = TypeVar("Value")


class Provider(Protocol):
    """Makes images for money."""

    @property
    def name(self) -> str:
        """`dashscope` or `sandbox`; part of every generation key."""
        ...

    async def ready(self) -> None:
        """Do what takes time before the first send, such as loading the SDK."""
        ...

    async def send(self, order: ProviderRequest, *, timeout_seconds: float) -> ProviderAnswer:
        """Send one order over the wire exactly once.

        Raises:
            StillsError: with `billing` saying what this one send may have cost.
        """
        ...

    async def download(self, url: str, *, timeout_seconds: float) -> Chunks:
        """Read the image behind an answer's URL; free of charge.

        Raises:
            LinkDead: the URL gives no image, or not in time.
        """
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...


class Store(Protocol):
    """Holds image bytes under readable paths."""

    async def ready(self) -> None:
        """Load and start what later calls need, without asking the store itself.

        Raises:
            StoreRefused: it can't be started.
        """
        ...

    async def put(
        self, path: str, data: bytes | Chunks, *, preceded_by: tuple[str, bytes] | None = None
    ) -> None:
        """Write one object, whole or not at all; once this returns it survives a power cut.

        `preceded_by` is a small object, path and bytes, that is written before it and need not.

        Raises:
            StoreRefused: it could not be written.
        """
        ...

    async def get(self, path: str) -> bytes:
        """Read one object.

        Raises:
            ImageMissing: there is none.
            StoreRefused: it could not be read.
        """
        ...

    async def exists(self, path: str, *, byte_count: int | None = None) -> bool:
        """Tell whether an object is there, and has `byte_count` bytes where that is given.

        Raises:
            StoreRefused: the store itself is not there.
        """
        ...

    async def missing(self, byte_counts: Mapping[str, int]) -> AbstractSet[str]:
        """Tell which of some objects, by path, are not there or have another number of bytes.

        Raises:
            StoreRefused: the store itself is not there.
        """
        ...

    async def delete(self, path: str) -> None:
        """Remove one object; no matter if there is none.

        Raises:
            StoreRefused: it could not be removed.
        """
        ...

    async def paths(self, folder: str) -> Sequence[str]:
        """List the objects that lie directly in a folder; `""` is the top.

        Raises:
            StoreRefused: the store can't be listed.
        """
        ...

    def url(self, path: str) -> str:
        """Say where an object opens, for as long as it is kept."""
        ...

    def object_at(self, file: Path) -> str | None:
        """Say which object a resolved path of this machine would be; None if it is outside."""
        ...

    async def close(self) -> None:
        """Take no more calls."""
        ...


class Imaging(Protocol):
    """Looks at images and makes renditions. CPU work, done off the event loop."""

    async def ready(self) -> None:
        """Load what later calls need."""
        ...

    async def inspect(self, png: bytes | Chunks) -> Inspection:
        """Check a PNG from its first byte to its last chunk, and hash it.

        Raises:
            DamagedImage: it is no whole PNG.
        """
        ...

    async def check_pixels(self, png: bytes | Chunks) -> None:
        """Decode every pixel of a PNG.

        Raises:
            DamagedImage: it can't be decoded to its end.
        """
        ...

    async def media_type(self, data: bytes) -> str:
        """Tell `image/png`, `image/jpeg` or `image/webp`.

        Raises:
            InvalidReference: it is none of these, or can't be decoded.
        """
        ...

    async def fit(self, png: bytes, size: Size) -> bytes:
        """Cover-crop around the centre and scale to exactly `size`; PNG in, PNG out.

        Raises:
            DamagedImage: the bytes can't be decoded.
        """
        ...

    async def thumbnail(self, png: bytes, side_max_pixels: int) -> bytes:
        """Scale to fit a square, never up; PNG in, JPEG out.

        Raises:
            DamagedImage: the bytes can't be decoded.
        """
        ...


class Downloader(Protocol):
    """Fetches what strangers point to, and nothing that only this machine can reach."""

    async def get(self, url: str, *, max_bytes: int) -> bytes:
        """Download what an https URL gives.

        Raises:
            InvalidReference: it may not be fetched, fails, takes too long or is too big.
        """
        ...


class Catalog(Protocol):
    """Remembers requests, generations, renditions and money, for many processes at once.

    Every method raises CatalogError when the database can't be used.
    """

    @property
    def api_keys(self) -> ApiKeys:
        """The keys of our own service."""
        ...

    @property
    def idempotency(self) -> IdempotencyStore:
        """What our own service answered before."""
        ...

    @property
    def files(self) -> AbstractSet[Path]:
        """The resolved paths of this machine that it writes, there or not."""
        ...

    async def find(self, key: str, size: Size) -> CatalogHit | None:
        """Look up the newest kept generation of a key, with its rendition at `size`."""
        ...

    async def find_many(self, wanted: Sequence[tuple[str, Size]]) -> Sequence[CatalogHit | None]:
        """Look up many keys at once, as `find` does, in the same order."""
        ...

    async def claim(
        self, spec: GenerationSpec, size: Size, *, lease_seconds: float, fresh: bool, caps: Caps
    ) -> Claim | CatalogHit | Held:
        """Take the sole right to a key; Found if its image is there, Held while another works.

        A claim on a new generation reserves its price. Leases run on a clock that nobody sets: a
        step of the time of day neither ends one that is held nor prolongs that of the dead.

        A process that has ended holds nothing, whatever its lease. One that is known to be alive
        keeps its claim while its call has no outcome, even if the lease has lapsed: it may be
        paused, and a second call would be billed too. Where neither is known, the lease decides.

        The claim's generation is a new one, or an interrupted one to be resumed: SPOOLED, or
        ANSWERED with a link that is not known to be dead, even if its time is over. `fresh` never
        resumes and never answers Found.

        Raises:
            BudgetExceeded: a new generation could pass a cap.
        """
        ...

    async def renew(self, claim: Claim, *, lease_seconds: float) -> bool:
        """Prolong the lease; False if another has taken the claim over."""
        ...

    async def release(self, claim: Claim) -> None:
        """Give the claim back; what is not kept or resumable counts as failed.

        After a CatalogError it is tried again until it works, or the catalog is closed.
        """
        ...

    async def record_send(self, claim: Claim, *, lease_seconds: float, caps: Caps) -> int | None:
        """Write a send to the ledger as possibly billed, before it goes out; gives its number.

        None if the claim was taken over: then nothing may be sent.

        Raises:
            BudgetExceeded: the send could pass a cap.
        """
        ...

    async def settle_send(self, send: int, settlement: Settlement) -> None:
        """Write how a send ended."""
        ...

    async def record_answer(
        self, generation_id: str, answer: ProviderAnswer, *, send: int, settlement: Settlement
    ) -> None:
        """Settle the send and journal where the image can be downloaded, in one step."""
        ...

    async def record_link_dead(self, generation_id: str) -> None:
        """Journal that an answer's link is dead, so the next claim starts a new generation."""
        ...

    async def record_note(self, generation_id: str, note: str) -> None:
        """Add a note that every later answer from this generation carries."""
        ...

    async def record_spooled(
        self, generation_id: str, *, sha256: str, byte_count: int, spool_url: str
    ) -> None:
        """Journal that the image lies in the spool, for the store refused it."""
        ...

    async def record_kept(
        self, generation_id: str, *, sha256: str, byte_count: int, object_path: str
    ) -> Generation:
        """Journal that the image lies in the store; link and claim are forgotten."""
        ...

    async def record_requests(self, answered: Sequence[tuple[Rendition, RequestRecord]]) -> None:
        """Remember renditions, and that requests were answered with them."""
        ...

    async def update_limiter_state(
        self, scope: LimitScope, change: Callable[[LimiterState | None], tuple[LimiterState, Value]]
    ) -> Value:
        """Change the pace of a lane, None before its first start, while no other process does.

        `change` gives the new pace and what this returns; it is pure, and may run in any thread.
        """
        ...

    async def read_limiter_state(
        self, scope: LimitScope, *, since: float
    ) -> tuple[LimiterState | None, int]:
        """Read a lane's pace, None before its first start, and count its sends.

        Those from `since` (Unix seconds) on are counted, refused ones included.
        """
        ...

    async def list_images(self, *, limit: int) -> Sequence[Image]:
        """List the newest images first."""
        ...

    async def find_images(self, prefix: str) -> Sequence[Image]:
        """Find images whose id starts with `prefix`; at most ten."""
        ...

    async def find_image(self, image_id: str) -> Image | None:
        """Look an image up by its whole id."""
        ...

    async def search_images(
        self, search: ImageSearch, *, limit: int, cursor: str | None
    ) -> ImagePage:
        """List one page of images, the newest generation first; `cursor` is of the page before.

        Raises:
            InvalidRequest: the cursor is none of ours.
        """
        ...

    async def list_sends(self, generation_id: str) -> Sequence[Send]:
        """List a generation's sends, oldest first."""
        ...

    async def list_unfinished(self) -> Sequence[Generation]:
        """List what is SENT, ANSWERED or SPOOLED and nobody works on, oldest first."""
        ...

    async def list_objects(self) -> Sequence[StoredObject]:
        """List what should be in the store."""
        ...

    async def check_writable(self) -> None:
        """Check that the database can be written; nothing is.

        Raises:
            CatalogError: it can't.
        """
        ...

    async def read_store(self) -> KnownStore:
        """Read which store the images are in. A new catalog makes up an id for it."""
        ...

    async def record_store(self, store_id: str) -> None:
        """Record the id of a store whose marker was seen."""
        ...

    async def settle_paid(self) -> Sequence[str]:
        """Settle as billed one call of each kept or spooled generation without a billed one.

        Returns the ids of these generations, oldest first: their answer came, but could not be
        recorded.
        """
        ...

    async def adopt(self, generation: Generation, renditions: Sequence[Rendition]) -> bool:
        """Take in a kept generation that the catalog has lost; False if it has it already."""
        ...

    async def spend(self, *, since: float, by: SpendBy | None) -> Sequence[SpendLine]:
        """Add up what was spent from `since` (Unix seconds) on."""
        ...

    async def set_aside_if_damaged(self) -> str | None:
        """Move a damaged database out of the way; gives where it lies now, None if it is sound."""
        ...

    async def close(self) -> None:
        """Close the database."""
        ...
