"""The way of one request: validate, plan, look up, claim, generate, fetch, keep, render, record.

A request is valid once it is an ImageRequest. Claim, generate, fetch and keep are in draw.py, for
they are done once for all who ask; this file is what each caller goes through.
"""

import asyncio
from dataclasses import dataclass, replace

from stills.contract.errors import Billing, DeadlineExceeded, ImageMissing, StorageError
from stills.contract.generation import Asked, Found, Generation, OnStage, Rendition, Stage
from stills.contract.models import find_model
from stills.contract.money import Caps
from stills.contract.request import ImageRequest
from stills.contract.result import ImageResult
from stills.contract.size import Size
from stills.pipeline.draw import Drawn, draw
from stills.pipeline.flight import Flights
from stills.pipeline.job import Deadline, Job
from stills.pipeline.plan import Plan, make_plan
from stills.pipeline.policy import Policy
from stills.pipeline.ports import Ports
from stills.pipeline.reference import Reference, load_reference
from stills.pipeline.render import render

_BILLING_AT = {
    Stage.SENT: Billing.POSSIBLE,
    Stage.ANSWERED: Billing.BILLED,
    Stage.KEPT: Billing.BILLED,
}
"""What a deadline means for the money, by the stage that was reached."""


@dataclass(frozen=True, slots=True)
class Options:
    """How one request is to be answered, beside what it asks for.

    `fresh` pays for a new image in any case. `max_cost_usd` caps what this request may cost, all
    its sends together.
    """

    model: str
    fresh: bool = False
    max_cost_usd: float | None = None
    on_stage: OnStage = lambda _: None


class Pipeline:
    """Turns requests into kept images; one for all requests of a process.

    `price_usd` overrides the model table's price of an image, `day_usd` caps a UTC day.
    """

    def __init__(
        self,
        ports: Ports,
        policy: Policy,
        *,
        price_usd: float | None = None,
        day_usd: float | None = None,
    ) -> None:
        self._ports = ports
        self._policy = policy
        self._price_usd = price_usd
        self._day_usd = day_usd
        self._draws: Flights[object, Drawn] = Flights()
        self._renders: Flights[tuple[str, Size], Rendition] = Flights()

    async def generate(self, request: ImageRequest, options: Options) -> ImageResult:
        """Answer one request, out of the catalog if it can be.

        Raises:
            StillsError: see stills.contract.errors.
        """
        seconds = self._policy.deadline_seconds
        reached = Stage.CLAIMED

        def follow(stage: Stage) -> None:
            nonlocal reached
            reached = stage
            options.on_stage(stage)

        try:
            async with asyncio.timeout(seconds) as timeout:
                deadline = Deadline(timeout.when() or 0.0)
                return await self._steps(request, replace(options, on_stage=follow), deadline)
        except TimeoutError:
            raise DeadlineExceeded(
                f"no image within {seconds:g} s",
                billing=_BILLING_AT.get(reached, Billing.NONE),
            ) from None

    async def close(self) -> None:
        """Stop what is under way; claims are given back, answers stay in the journal."""
        await self._draws.close()
        await self._renders.close()

    async def _steps(
        self, request: ImageRequest, options: Options, deadline: Deadline
    ) -> ImageResult:
        ports = self._ports
        reference = await load_reference(request.reference_image, ports.imaging)
        plan = make_plan(
            request,
            find_model(options.model),
            provider=ports.provider.name,
            reference=reference,
            price_usd=self._price_usd,
        )
        found = None if options.fresh else await ports.catalog.find(plan.draft.key, plan.size)
        sent = False
        try:
            if found is None:
                drawn, begun = await self._draw(plan, options, deadline)
                sent = drawn.sent and begun
                found = drawn.found
            rendition = await self._render(found, plan.size)
            return await self._record(request, reference, found.generation, rendition, sent=sent)
        except StorageError as error:
            if sent:  # the generation is kept, and asking again costs nothing
                error.billing = Billing.BILLED
            raise

    async def _draw(self, plan: Plan, options: Options, deadline: Deadline) -> tuple[Drawn, bool]:
        caps = Caps(day_usd=self._day_usd, request_usd=options.max_cost_usd)
        job = Job(plan, self._ports, self._policy, caps, deadline, options.fresh, options.on_stage)

        async def work() -> Drawn:
            async with asyncio.timeout_at(deadline.at):
                return await draw(job)

        # Each fresh request is a wish of its own for another image.
        flight = object() if options.fresh else (plan.draft.key, caps)
        return await self._draws.join(flight, work)

    async def _render(self, found: Found, size: Size) -> Rendition:
        if found.rendition is not None and found.rendition.size == size:
            if await self._ports.store.exists(found.rendition.object_path):
                return found.rendition
            if size == found.generation.draft.native_size:
                raise ImageMissing(f"{self._ports.store.url(found.rendition.object_path)} is gone")
        rendition, _ = await self._renders.join(
            (found.generation.id, size),
            lambda: render(self._ports, found.generation, size),
        )
        return rendition

    async def _record(
        self,
        request: ImageRequest,
        reference: Reference | None,
        generation: Generation,
        rendition: Rendition,
        *,
        sent: bool,
    ) -> ImageResult:
        asked = Asked(
            prompt=request.prompt,
            size=rendition.size,
            negative_prompt=request.negative_prompt,
            style=request.style,
            seed=request.seed,
            reference=reference.shown if reference else None,
            cached=not sent,
        )
        await self._ports.catalog.record_request(rendition, asked)
        draft = generation.draft
        return ImageResult(
            image_url=self._ports.store.url(rendition.object_path),
            width=rendition.size.width,
            height=rendition.size.height,
            seed=draft.seed,
            id=rendition.id,
            cached=not sent,
            provider=draft.provider,
            model=draft.model,
            native_size=str(draft.native_size),
            cost_usd=draft.price_usd if sent else 0.0,
            notes=(*generation.notes, *_rendering_notes(draft.native_size, rendition.size)),
        )


def _rendering_notes(native: Size, size: Size) -> tuple[str, ...]:
    if size == native:
        return ()
    if size.width > native.width or size.height > native.height:
        return (f"Scaled up from {native}.",)
    return (f"Cropped and scaled from {native}.",)
