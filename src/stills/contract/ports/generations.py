"""Generations: looking images up, claiming what is missing, and the journal of each generation."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from stills.contract.generation import (
    AnsweredSend,
    CatalogHit,
    CatalogMiss,
    Claim,
    Generation,
    GenerationSpec,
    Held,
    ProviderAnswer,
    Rendition,
    RequestRecord,
    Settlement,
    Task,
)
from stills.contract.money import Caps
from stills.contract.size import Size


class Generations(Protocol):
    """Journals every generation, for any number of processes. Raises CatalogError when it fails."""

    async def find(self, key: str, size: Size) -> CatalogHit | CatalogMiss:
        """Look up the newest stored generation of a key, with its rendition at `size`."""
        ...

    async def find_many(
        self, wanted: Sequence[tuple[str, Size]]
    ) -> Sequence[CatalogHit | CatalogMiss]:
        """Look up many keys at once, as `find` does; results are in the same order."""
        ...

    async def find_seed(self, key: str) -> int | None:
        """Return the seed of a key's newest stored generation, else of the newest that began."""
        ...

    async def claim(
        self,
        spec: GenerationSpec,
        size: Size,
        *,
        lease_seconds: float,
        fresh: bool,
        caps: Caps,
        fresh_key: str | None = None,
    ) -> Claim | CatalogHit | Held:
        """Claim a key, the sole right to generate it; a new generation reserves its price.

        Returns a CatalogHit if the image exists already, and Held while another worker has the
        claim. The claim's generation is new, or an interrupted one to resume: SPOOLED, ANSWERED
        with a link that is not known to be dead, even if it has expired, or SENT with a task.
        `fresh` always starts a new generation, unless one was started with the same `fresh_key`,
        which is then returned or resumed.

        Leases are measured on a clock that can't be set, so changing the time of day neither ends
        nor extends them. A process that has ended holds nothing, whatever its lease says. A process
        that is known to be alive keeps its claim while its call has no outcome, even if the lease
        has lapsed: it may be paused, and a second call would be billed too. If neither is known,
        the lease decides.

        Raises:
            BudgetExceeded: a new generation could exceed a cap.
        """
        ...

    async def wait_until_free(self, key: str, *, poll_seconds: float) -> None:
        """Wait after a Held until the key may be free, so that it can be claimed again.

        That is for about `poll_seconds`, or longer if the catalog learns when a claim ends. A
        catalog that is away meanwhile does not fail the next claim.
        """
        ...

    async def renew(self, claim: Claim, *, lease_seconds: float) -> bool:
        """Extend the lease; False if another worker has taken the claim over."""
        ...

    async def release(self, claim: Claim) -> None:
        """Give the claim back; a generation that is neither stored nor resumable has failed.

        After a CatalogError this is retried in the background until the catalog is closed.
        """
        ...

    async def record_task(self, generation_id: str, task: Task) -> None:
        """Journal that a call created a task; forgotten when the call is settled."""
        ...

    async def record_tasks(self, tasks: Mapping[str, Task]) -> None:
        """Do the same for all generations of one call, by their ids, in one step."""
        ...

    async def record_answer(
        self, generation_id: str, answer: ProviderAnswer, *, send: int, settlement: Settlement
    ) -> None:
        """Settle the call and journal where its image can be downloaded, in one step."""
        ...

    async def record_answers(self, answered: Sequence[AnsweredSend]) -> None:
        """Do the same for all images of one call, in one step."""
        ...

    async def record_link_dead(self, generation_id: str) -> None:
        """Journal that an answer's link is dead, so the next claim starts a new generation."""
        ...

    async def record_note(self, generation_id: str, note: str) -> None:
        """Add a note to every later result of this generation."""
        ...

    async def record_native_size(self, generation_id: str, size: Size, *, note: str) -> None:
        """Journal the size that the model made instead of the one it was asked for, and a note."""
        ...

    async def record_spooled(
        self, generation_id: str, *, sha256: str, byte_count: int, spool_url: str
    ) -> None:
        """Journal that the image is in a spool of this machine, because the store refused it."""
        ...

    async def record_kept(
        self, generation_id: str, *, sha256: str, byte_count: int, object_path: str
    ) -> Generation | None:
        """Journal that the image is in the store; this ends the claim and forgets the link.

        Returns None if the catalog has no such generation, because an older state of it came back.
        """
        ...

    async def record_requests(self, answered: Sequence[tuple[Rendition, RequestRecord]]) -> None:
        """Record renditions and the requests that were answered with them."""
        ...

    async def adopt(self, generation: Generation, renditions: Sequence[Rendition]) -> bool:
        """Add a stored generation that the catalog has lost; False if it is there already."""
        ...

    async def adopt_many(
        self, images: Sequence[tuple[Generation, Sequence[Rendition]]]
    ) -> Sequence[bool]:
        """Do the same for many in one step, in their order: the newest one of a key is last."""
        ...
