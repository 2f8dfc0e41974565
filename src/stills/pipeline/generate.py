"""The way of one request: validate, plan, look up, claim, generate, fetch, keep, render, record.

A request is valid once it is an ImageRequest. Claim, generate, fetch and keep are in draw.py, for
they are done once for all who ask; this file is what each caller goes through.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from stills.contract.access import BudgetOwner
from stills.contract.errors import (
    Billing,
    StillsError,
    StorageError,
)
from stills.contract.generation import (
    CatalogHit,
    Generation,
    Image,
    OnSendSettled,
    OnStage,
    Rendition,
    Stage,
)
from stills.contract.models import find_model
from stills.contract.money import Caps, check_max_cost
from stills.contract.outcome import RequestStatus
from stills.contract.pixel_budget import PixelBudget
from stills.contract.rate_limit import LimitScope, RateLimit
from stills.contract.request import ImageRequest
from stills.contract.result import ImageResult
from stills.contract.size import Size
from stills.pipeline.context import Deadline, Job
from stills.pipeline.look_up import answer_from_catalog, find_statuses
from stills.pipeline.make_generation import Made, make_generation
from stills.pipeline.plan import Plan, make_plan
from stills.pipeline.policy import Policy
from stills.pipeline.ports import Ports
from stills.pipeline.read import read
from stills.pipeline.record import make_request_record, make_result, try_to_count
from stills.pipeline.reference import Reference, load_reference
from stills.pipeline.render import native_rendition, read_native, render
from stills.pipeline.send import Stopped
from stills.pipeline.single_flight import SingleFlight
from stills.ratelimit.limiter import RateLimiter, rate_limit_of


@dataclass(frozen=True, slots=True)
class Options:
    """How one request is to be answered, beside what it asks for.

    `fresh` pays for a new image in any case. `max_cost_usd` caps what this request may cost, all
    its sends together; what `payer` may spend on a day is capped beside that. `looked_up` says that
    the catalog had no such image a moment ago, so it is not asked before the claim.
    One of `places` is held while the service works on it. Once `stop` is set, nothing
    more is sent.

    Raises:
        InvalidRequest: the cap is no number of US dollars.
    """

    model: str
    fresh: bool = False
    max_cost_usd: float | None = None
    payer: BudgetOwner | None = None
    looked_up: bool = False
    places: asyncio.Semaphore | None = None
    stop: asyncio.Event | None = None
    on_stage: OnStage = lambda _: None
    on_send_settled: OnSendSettled = lambda *_: None

    def __post_init__(self) -> None:
        check_max_cost(self.max_cost_usd)


class Pipeline:
    """Turns requests into kept images; one for all requests of a process.

    `price_usd` overrides the model table's price of an image, `day_usd` caps a UTC day,
    `rate_limit` overrides the model table's limit of starts.
    """

    def __init__(
        self,
        ports: Ports,
        policy: Policy,
        *,
        price_usd: float | None = None,
        day_usd: float | None = None,
        rate_limit: RateLimit | None = None,
    ) -> None:
        self._ports = ports
        self._policy = policy
        self._price_usd = price_usd
        self._day_usd = day_usd
        self._rate_limit = rate_limit
        self._pacers: dict[LimitScope, RateLimiter] = {}
        self._makes: SingleFlight[object, ImageResult] = SingleFlight()
        self._draws: SingleFlight[object, Made] = SingleFlight()
        self._deadlines: dict[object, Deadline] = {}
        self._renders: SingleFlight[tuple[str, Size], Rendition] = SingleFlight()
        self._pixels = PixelBudget()

    async def generate(self, request: ImageRequest, options: Options) -> ImageResult:
        """Answer one request, out of the catalog if it can be.

        Raises:
            StillsError: see stills.contract.errors.
        """
        seconds = self._policy.deadline_seconds
        deadline = Deadline(asyncio.get_running_loop().time() + seconds)
        try:
            async with deadline.hold():
                return await self._steps(request, options, deadline)
        except TimeoutError:
            late = deadline.exceeded(seconds)
            raise (late if deadline.pays else _paid_by_another(late)) from None

    async def answer_from_catalog(
        self, requests: Sequence[ImageRequest], options: Options
    ) -> Sequence[ImageResult | None]:
        """Answer those whose image is there as it is; None for each that has to be asked alone."""
        return await answer_from_catalog(self._ports, requests, find_model(options.model))

    async def find_statuses(
        self, requests: Sequence[ImageRequest], model_id: str
    ) -> Sequence[RequestStatus]:
        """Tell of each request whether its image is there; nothing is sent, nothing written."""
        return await find_statuses(self._ports, requests, find_model(model_id))

    async def read(self, image: Image) -> bytes:
        """Read a kept image; a rendition that is lost or damaged is made anew.

        Raises:
            ImageMissing: the store has lost the image, or it is damaged there.
            StoreRefused: the store can't be used.
        """
        return await read(self._ports, image, self._render_anew)

    def pacer(self, model_id: str) -> RateLimiter:
        """The pacer of all sends to one model."""
        lane = LimitScope(self._ports.provider.name, model_id)
        if lane not in self._pacers:
            limit = rate_limit_of(lane, self._rate_limit)
            self._pacers[lane] = RateLimiter(self._ports.catalog, lane, limit)
        return self._pacers[lane]

    async def drain(self) -> None:
        """Wait until all that is under way has ended; the caller sets the limit."""
        await self._makes.drain()
        await self._draws.drain()
        await self._renders.drain()

    async def close(self) -> None:
        """Stop what is under way; claims are given back, answers stay in the journal."""
        await self._makes.close()
        await self._draws.close()
        await self._renders.close()

    async def _steps(
        self, request: ImageRequest, options: Options, deadline: Deadline
    ) -> ImageResult:
        ports = self._ports
        reference = await load_reference(request.reference_image, ports.imaging, ports.downloader)
        plan = make_plan(
            request,
            find_model(options.model),
            provider=ports.provider.name,
            reference=reference,
            price_usd=self._price_usd,
        )
        found = None
        if not (options.fresh or options.looked_up):
            found = await ports.catalog.find(plan.spec.key, plan.size)
        if found is not None:
            deadline.stored = True
            rendition = await self._render(found, plan.size)
            if rendition == found.rendition:
                asked = make_request_record(request, rendition, reference=reference)
                notes = await try_to_count(ports.catalog, [(rendition, asked)])
                return make_result(
                    found.generation, rendition, ports.store, sent=False, notes=notes
                )
            return await self._record(request, reference, found.generation, rendition, sent=False)
        return await self._make(request, reference, plan, options, deadline)

    async def _make(
        self,
        request: ImageRequest,
        reference: Reference | None,
        plan: Plan,
        options: Options,
        deadline: Deadline,
    ) -> ImageResult:
        """Draw, render and record; once money is at stake, to the end, whoever still waits."""
        committed = False

        def follow(stage: Stage) -> None:
            nonlocal committed
            committed = committed or stage is not Stage.CLAIMED
            options.on_stage(stage)

        async def work() -> ImageResult:
            notes = await self._ports.marker.check_before_paying()
            followed = replace(options, on_stage=follow)
            drawn, begun = await self._draw(plan, followed, deadline)
            generation, sent = drawn.found.generation, drawn.sent and begun
            deadline.stored = True
            try:
                rendition = await self._render(drawn.found, plan.size, just_kept=drawn.sent)
                return await self._record(
                    request, reference, generation, rendition, sent=sent, notes=notes
                )
            except StorageError as error:
                if not sent:
                    raise
                # The generation is kept, so a retry is free.
                raise error.with_(billing=Billing.BILLED) from error

        result, _ = await self._makes.join(object(), work, abandon=lambda: not committed)
        return result

    async def _draw(self, plan: Plan, options: Options, deadline: Deadline) -> tuple[Made, bool]:
        """Join whoever draws the same already; returns also whether it was begun here.

        Raises:
            StillsError: only the request that began the generation is billed for it.
        """
        payer = options.payer
        caps = Caps(
            day_usd=self._day_usd,
            request_usd=options.max_cost_usd,
            payer=payer.name if payer else None,
            payer_day_usd=payer.day_usd if payer else None,
        )
        # Each fresh request is a wish of its own for another image.
        flight = object() if options.fresh else (plan.spec.key, caps)
        shared = self._deadlines.setdefault(flight, Deadline(deadline.at))
        shared.extend(deadline.at)
        deadline.joined, deadline.pays = shared, flight not in self._draws

        def follow(stage: Stage) -> None:
            shared.reached = stage
            options.on_stage(stage)

        job = Job(
            plan,
            self._ports,
            self._policy,
            caps,
            shared,
            options.fresh,
            follow,
            options.places,
            options.stop,
            self.pacer(plan.spec.model),
            options.on_send_settled,
        )

        async def work() -> Made:
            async with shared.hold():
                return await make_generation(job)

        try:
            return await self._draws.join(flight, work, abandon=lambda: True)
        except TimeoutError:
            if deadline.at <= shared.at:
                raise
            return await self._draw(plan, options, deadline)  # it came for the others just now
        except Stopped:
            if options.stop is not None and options.stop.is_set():
                raise asyncio.CancelledError from None
            return await self._draw(plan, options, deadline)  # only the others were stopped
        except StillsError as error:
            if deadline.pays:
                raise
            raise _paid_by_another(error) from error
        finally:
            if flight not in self._draws:
                self._deadlines.pop(flight, None)

    async def _render(self, found: CatalogHit, size: Size, *, just_kept: bool = False) -> Rendition:
        generation, rendition, store = found.generation, found.rendition, self._ports.store
        is_native = size == generation.spec.native_size
        if is_native:
            rendition = native_rendition(generation)
        if rendition is not None and rendition.size == size:
            path, byte_count = rendition.object_path, rendition.byte_count
            if (is_native and just_kept) or await store.exists(path, byte_count=byte_count):
                return rendition
            if is_native:
                await read_native(self._ports, generation)  # says what is wrong with it
                return rendition
        return await self._render_anew(generation, size)

    async def _render_anew(self, generation: Generation, size: Size) -> Rendition:
        rendition, _ = await self._renders.join(
            (generation.id, size), lambda: self._render_in_turn(generation, size)
        )
        return rendition

    async def _render_in_turn(self, generation: Generation, size: Size) -> Rendition:
        async with self._pixels.hold(size.pixels):
            return await render(self._ports, generation, size)

    async def _record(
        self,
        request: ImageRequest,
        reference: Reference | None,
        generation: Generation,
        rendition: Rendition,
        *,
        sent: bool,
        notes: Sequence[str] = (),
    ) -> ImageResult:
        asked = make_request_record(request, rendition, reference=reference)
        await self._ports.catalog.record_requests([(rendition, asked)])
        return make_result(generation, rendition, self._ports.store, sent=sent, notes=notes)


def _paid_by_another(error: StillsError) -> StillsError:
    """Return what an error of a shared call means for a request that only waited for the call."""
    if error.billing is Billing.NONE:
        return error
    return error.with_(
        message=f"{error.message}; an equal request sent this call and pays for it alone",
        billing=Billing.NONE,
        shared_billing=error.billing,
    )
