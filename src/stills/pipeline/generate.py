"""One request, step by step: STEPS is the order, and each step is in the file of its name.

Every request finds its image (FIND). If there is none yet, one of all equal requests makes it
(MAKE). Then every request gets its own answer (ANSWER). Steps take a Job and return a new one;
deadlines are enforced only here and, for a call that several requests share, by SingleFlight.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from stills.contract.errors import Billing, StillsError, StorageError
from stills.contract.generation import Image, Stage
from stills.contract.models import MODELS, SEED_MAX, Model, find_model
from stills.contract.money import Caps
from stills.contract.outcome import CatalogAnswer, RequestStatus
from stills.contract.pixel_budget import PixelBudget
from stills.contract.rate_limit import LimitScope, RateLimit
from stills.contract.request import ImageRequest
from stills.contract.result import ImageResult
from stills.contract.size import Size
from stills.pipeline.call import ClaimLost, Stopped
from stills.pipeline.check_prompt import check_prompt
from stills.pipeline.claim import claim
from stills.pipeline.context import Deadline, Job, Options, known
from stills.pipeline.fetch import LinkExpired, fetch
from stills.pipeline.keep import keep
from stills.pipeline.look_up import answer_from_catalog, find_key, find_statuses, look_up
from stills.pipeline.plan import find_price, plan
from stills.pipeline.policy import Policy
from stills.pipeline.ports import Ports
from stills.pipeline.read import read
from stills.pipeline.record import record
from stills.pipeline.reference_cache import ReferenceCache
from stills.pipeline.reference_loader import ReferenceLoader
from stills.pipeline.render import Renderer, render
from stills.pipeline.send import send
from stills.pipeline.single_flight import SingleFlight
from stills.pipeline.stored_reference import StoredReferences
from stills.ratelimit.limiter import RateLimiter, rate_limit_of

if TYPE_CHECKING:
    from stills.pipeline.thumbnails import Thumbnails

Step = Callable[[Job], Awaitable[Job] | AbstractAsyncContextManager[Job]]

FIND: tuple[Step, ...] = (plan, look_up, check_prompt)
MAKE: tuple[Step, ...] = (claim, send, fetch, keep)
ANSWER: tuple[Step, ...] = (render, record)
STEPS = (*FIND, *MAKE, *ANSWER)


async def run(steps: Sequence[Step], job: Job) -> Job:
    """Run steps in order. A step that is a context manager, as the claim, ends after the last."""
    async with AsyncExitStack() as held:
        for step in steps:
            running = step(job)
            if isinstance(running, AbstractAsyncContextManager):
                job = await held.enter_async_context(running)
            else:
                job = await running
    return job


class Pipeline:
    """Turns requests into stored images; one for all requests of a process.

    `models` is the model table; `price_usd` overrides its price of an image, `rate_limit` its limit
    of requests. `day_usd` caps the spending of a UTC day.
    """

    def __init__(
        self,
        ports: Ports,
        policy: Policy,
        *,
        models: Mapping[str, Model] = MODELS,
        price_usd: float | None = None,
        day_usd: float | None = None,
        rate_limit: RateLimit | None = None,
    ) -> None:
        self._ports = ports
        self._policy = policy
        self._models = models
        self._price_usd = price_usd
        self._day_usd = day_usd
        self._rate_limit = rate_limit
        self._limiters: dict[LimitScope, RateLimiter] = {}
        self._paying: SingleFlight[object, Job] = SingleFlight()
        self._making: SingleFlight[object, Job] = SingleFlight()
        pixels = PixelBudget()
        self._renderer = Renderer(ports, pixels)
        self._thumbnails: Thumbnails | None = None
        self._references = ReferenceLoader(
            ReferenceCache(ports.imaging, pixels, ports.downloader),
            StoredReferences(ports.catalog, ports.store, self.read, public_url=ports.public_url),
            trusts_references=ports.trusts_references,
        )

    async def generate(self, request: ImageRequest, options: Options) -> ImageResult:
        """Answer one request, from the catalog if possible.

        Raises:
            StillsError: see stills.contract.errors.
        """
        model = self.model(options.model)
        is_slow = model.has_thinking and request.enable_thinking is not False
        is_slow = is_slow or options.seat is not None
        policy = self._policy.for_slow_calls() if is_slow else self._policy
        seconds = policy.deadline_seconds
        deadline = Deadline(asyncio.get_running_loop().time() + seconds)
        try:
            async with deadline.hold():
                job = await run(FIND, self._new_job(request, model, options, policy, deadline))
                if job.hit is not None:
                    options.leave_seat()
                job = await (self._pay(job) if job.hit is None else run(ANSWER, job))
        except TimeoutError:
            late = deadline.exceeded(seconds)
            raise (late if deadline.pays else _paid_by_another(late)) from None
        return known(job.result)

    async def answer_from_catalog(
        self, requests: Sequence[ImageRequest], options: Options
    ) -> Sequence[CatalogAnswer]:
        """Answer each request whose image is stored at its size; the others have no result."""
        return await answer_from_catalog(self._ports, requests, self.model(options.model))

    async def find_statuses(
        self, requests: Sequence[ImageRequest], model_id: str
    ) -> Sequence[RequestStatus]:
        """Return for each request whether its image is stored; nothing is sent or written."""
        return await find_statuses(
            self._ports, requests, self.model(model_id), load_reference=self._references.load
        )

    async def find_first_seed(self, request: ImageRequest, model_id: str) -> int:
        """Return the seed for the first take of a request without a seed.

        It is that of the stored image, else derived from the request: the same in every process and
        after a crash, so takes are not paid for again.
        """
        key = await find_key(
            self._ports, request, self.model(model_id), load_reference=self._references.load
        )
        seed = await self._ports.catalog.find_seed(key)
        return int(key[:8], 16) & SEED_MAX if seed is None else seed

    def images_per_call_max(self, model_id: str) -> int:
        """Return how many takes can share a call."""
        return self.model(model_id).images_per_call_max

    def model(self, model_id: str) -> Model:
        """Return a model, with its prices here.

        Raises:
            UnknownModel: the table has no such id.
        """
        return find_model(model_id, self._models).with_price(self._price_usd)

    def price_usd(
        self, request: ImageRequest, model_id: str, *, reference_images: int | None = None
    ) -> float | None:
        """Return the price of a new image; see stills.pipeline.plan.find_price."""
        return find_price(request, self.model(model_id), reference_images=reference_images)

    async def read(self, image: Image) -> bytes:
        """Read a stored image; a lost or damaged rendition is rendered again.

        Raises:
            ImageMissing: the image is missing from the store, or damaged.
            StoreRefused: the store can't be used.
        """
        return await read(self._ports, image, self._renderer.render)

    async def fit(self, image: Image, size: Size) -> bytes:
        """Crop and scale an image to `size`, without storing it.

        Raises:
            ImageMissing: the image is missing from the store, or damaged.
            StoreRefused: the store can't be used.
        """
        if size == image.rendition.size:
            return await self.read(image)
        return await self._renderer.fit(image.generation, size)

    async def thumbnail(self, image: Image) -> bytes:
        """Return an image as a small JPEG, made once.

        Raises:
            ImageMissing: the image is missing from the store, or damaged.
            StoreRefused: the store can't be read.
        """
        if self._thumbnails is None:
            from stills.pipeline.thumbnails import Thumbnails  # noqa: PLC0415 - only to look at

            self._thumbnails = Thumbnails(self._ports, self.read)
        return await self._thumbnails.get(image)

    def limiter(self, model_id: str) -> RateLimiter:
        """Return the rate limiter of a model, which all its API calls share."""
        provider = self._ports.provider
        scope = LimitScope(provider.name, model_id, provider.account)
        if scope not in self._limiters:
            limit = rate_limit_of(scope, self._models.get(model_id), self._rate_limit)
            self._limiters[scope] = RateLimiter(self._ports.catalog, scope, limit)
        return self._limiters[scope]

    @property
    def under_way(self) -> int:
        """The number of tasks in progress."""
        return len(self._paying) + len(self._making) + len(self._renderer)

    async def drain(self) -> None:
        """Wait until all tasks have ended; the caller sets the time limit."""
        await self._paying.drain()
        await self._making.drain()
        await self._renderer.drain()

    async def close(self) -> None:
        """Cancel all tasks. Claims are released, and answers stay in the journal."""
        await self._references.close()
        if self._thumbnails is not None:
            await self._thumbnails.close()
        await self._paying.close()
        await self._making.close()
        await self._renderer.close()

    def _new_job(
        self,
        request: ImageRequest,
        model: Model,
        options: Options,
        policy: Policy,
        deadline: Deadline,
    ) -> Job:
        payer, job = options.payer, options.job
        if job is not None:
            accepted = job.accepted_unknown + policy.unknown_resends
            job = replace(job, accepted_unknown=accepted)
        caps = Caps(
            day_usd=self._day_usd,
            request_usd=options.max_cost_usd,
            payer=payer.name if payer else None,
            payer_day_usd=payer.day_usd if payer else None,
            job=job,
        )
        return Job(
            request=request,
            model=model,
            options=options,
            ports=self._ports,
            policy=policy,
            caps=caps,
            limiter=self.limiter(model.id),
            render=self._renderer.render,
            load_reference=self._references.load,
            deadline=deadline,
        )

    async def _pay(self, job: Job) -> Job:
        """Make the image and answer; after an API call, to the end even if the caller gives up."""
        own = job.deadline

        async def work() -> Job:
            made = await self._join(job)
            own.stored = True
            try:
                return await run(ANSWER, made)
            except StorageError as error:
                if made.sent is None or not own.pays:
                    raise
                # The generation is stored, so a retry is free.
                raise error.with_(billing=Billing.BILLED) from error

        def abandon() -> bool:
            return not (own.pays and own.joined is not None and own.joined.has_sent)

        answered, _ = await self._paying.join(object(), work, abandon=abandon)
        return answered

    async def _join(self, job: Job) -> Job:
        """Make the image together with equal requests of this process.

        Raises:
            StillsError: only the request that began the call is billed for it.
        """
        own, stop = job.deadline, job.options.stop
        key: object = (known(job.plan).spec.key, job.options.fresh_key, job.caps)
        if job.options.fresh and job.options.fresh_key is None:
            key = object()  # such a request always gets an image of its own

        async def work(shared: Deadline) -> Job:
            return await self._make(replace(job, deadline=shared))

        if key in self._making:
            job.options.leave_seat()
        try:
            made, _ = await self._making.join_until(own, key, work, abandon=lambda: True)
        except TimeoutError:
            if own.at <= known(own.joined).at:
                raise
            return await self._join(job)  # the shared deadline passed before ours
        except Stopped:
            if stop is not None and stop.is_set():
                raise asyncio.CancelledError from None
            return await self._join(job)  # only the request that began the call was stopped
        except StillsError as error:
            if own.pays:
                raise
            raise _paid_by_another(error) from error
        return replace(job, generation=made.generation, rendition=made.rendition, sent=made.sent)

    async def _make(self, job: Job) -> Job:
        while True:
            try:
                made = await run(MAKE, job)
            except (ClaimLost, LinkExpired):
                continue
            if made.claim is not None:
                job.reach(Stage.KEPT)
            return made


def _paid_by_another(error: StillsError) -> StillsError:
    """Return a shared call's error for a request that did not begin the call."""
    if error.billing is Billing.NONE:
        return error
    return error.with_(
        message=f"{error.message}; an equal request made this call and pays for it",
        billing=Billing.NONE,
        shared_billing=error.billing,
    )
