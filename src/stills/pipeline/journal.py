"""Journal: settle an answered call, and record where its image can be downloaded."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from stills.contract.errors import Billing, CatalogError, LinkLost, ServiceError
from stills.contract.generation import ProviderAnswer, Settlement
from stills.contract.ports.generations import Generations
from stills.pipeline.context import Job, known


def settle_as_billed(answer: ProviderAnswer) -> Settlement:
    """Return the settlement of a call that was answered."""
    return Settlement(Billing.BILLED, "answered", answer.request_id)


async def journal(
    catalog: Generations, generation_id: str, answer: ProviderAnswer, send_number: int
) -> None:
    """Settle a call, and record where its image can be downloaded.

    Raises:
        CatalogError: the catalog can't be written.
    """
    await catalog.record_answer(
        generation_id, answer, send=send_number, settlement=settle_as_billed(answer)
    )


@asynccontextmanager
async def journal_if_not_stored(job: Job) -> AsyncIterator[None]:
    """Journal the job's answer after all, if it is not journalled and the body fails to store it.

    Raises:
        LinkLost: the body raised a ServiceError, and the catalog still can't be written.
    """
    try:
        yield
    except BaseException as error:
        if job.sent is not None and not job.sent.journalled:
            await asyncio.shield(_journal_late(job, error))
        raise


async def _journal_late(job: Job, error: BaseException) -> None:
    sent = known(job.sent)
    try:
        await journal(job.ports.catalog, known(job.generation).id, sent.answer, sent.send)
    except CatalogError as late:
        if not isinstance(error, ServiceError):
            return
        # Still say where the bytes of a damaged image are.
        aside = error.action.removesuffix(error.default_action)
        raise LinkLost(
            f"{error.message}; the catalog can't be written, so the link to the paid image is lost",
            action=f"{aside}{LinkLost.default_action}",
            billing=Billing.BILLED,
            request_id=error.request_id,
        ) from late
