"""Stills: the facade that every front end calls."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Self

from stills import assembly
from stills.api_keys import Access
from stills.config import DEFAULT_CONCURRENCY, Config, read_config
from stills.contract.access import BudgetOwner
from stills.contract.generation import CatalogMiss, OnSendSettled, OnStage, OnStageOf
from stills.contract.models import DEFAULT_MODEL, MODELS, Model
from stills.contract.outcome import CatalogAnswer, RequestOutcome, RequestStatus
from stills.contract.rate_limit import Quota, RateLimit
from stills.contract.request import ImageRequest, check_is_request
from stills.contract.result import ImageResult
from stills.contract.takes import Take, check_takes
from stills.library import Library
from stills.loop_guard import LoopGuard
from stills.model_table import ModelTable
from stills.pipeline.context import Options
from stills.pipeline.generate import Pipeline
from stills.pipeline.policy import Policy
from stills.pipeline.ports import Ports
from stills.pipeline.takes import generate_takes, plan_takes

if TYPE_CHECKING:
    from stills.contract.ports.jobs import Jobs
    from stills.contract.spending import SpendBy, SpendLine
    from stills.job_queue import JobQueue
    from stills.maintenance.maintenance import Maintenance
    from stills.pipeline.generate_many import FreshOf, JobOf, MaxCostOf, Requests, TakesOf


class Stills:
    """Generates and stores images. Use it as `async with Stills.from_env() as stills`.

    `images` are the stored images, `models` the model table, `jobs` the durable jobs, `maintenance`
    checks and repairs; `keys` and `idempotency` are those of our own service. All belong to one
    event loop and one process: use from another one, or after closing, raises RuntimeError.
    """

    def __init__(
        self,
        ports: Ports,
        *,
        policy: Policy | None = None,
        model: str = DEFAULT_MODEL,
        models: Mapping[str, Model] = MODELS,
        price_usd: float | None = None,
        budget_usd: float | None = None,
        rate_limit: RateLimit | None = None,
        concurrency: int = DEFAULT_CONCURRENCY,
        open_jobs: "Callable[[], Jobs] | None" = None,
    ) -> None:
        self._guard = LoopGuard()
        self._guarded_ports = ports
        self._policy = policy or Policy()
        self._model = model
        self._concurrency = concurrency
        self._guarded_pipeline = Pipeline(
            ports,
            self._policy,
            models=models,
            price_usd=price_usd,
            day_usd=budget_usd,
            rate_limit=rate_limit,
        )
        self.images = Library(ports, self._guarded_pipeline, self._guard)
        self.models = ModelTable(models, ports.provider, self._guard)
        self.keys = Access(ports.catalog.api_keys, lambda: ports.catalog.sessions)
        self.idempotency = ports.catalog.idempotency
        self._open_jobs = open_jobs

    @classmethod
    def from_env(
        cls,
        *,
        sandbox: bool = False,
        rate_limit: RateLimit | None = None,
        resend_unknown: int | None = None,
        guard_references: bool = False,
        environment: Mapping[str, str] | None = None,
    ) -> Self:
        """Create Stills from the environment; `sandbox` uses the built-in one, without an API key.

        `rate_limit` and `resend_unknown` override the environment. `resend_unknown` is how often to
        retry a call of unknown outcome: 0 by default, because each may be billed.
        `guard_references` is for untrusted requests: reference images can't be local paths, and
        URLs are downloaded only from public addresses.

        Raises:
            MissingKey: there is no API key, and `sandbox` is false.
            AccessError: the key or the base URL can't be used.
            ConfigError: a variable or `stills.toml` has no usable value.
            InvalidRequest: an argument has no usable value.
        """
        config = read_config(environment)
        config = replace(config, rate_limit=rate_limit or config.rate_limit)
        if resend_unknown is not None:
            config = replace(config, resend_unknown=resend_unknown)
        provider = assembly.embed_sandbox(config) if sandbox else assembly.use_dashscope(config)
        ports = assembly.build_ports(config, provider, trusts_references=not guard_references)
        return cls._from_config(config, ports)

    @classmethod
    def from_catalog(cls, *, environment: Mapping[str, str] | None = None) -> Self:
        """Create Stills without an API key, for the stored images.

        If there is no catalog, one is created only when something is written. Otherwise, a look
        into the wrong folder would make it the project of the folders below.
        """
        config = read_config(environment)
        ports = assembly.build_ports(config, assembly.use_none(), creates_to_read=False)
        return cls._from_config(config, ports)

    @classmethod
    def _from_config(cls, config: Config, ports: Ports) -> Self:
        return cls(
            ports,
            policy=assembly.build_policy(config),
            model=config.model,
            models=config.models,
            price_usd=config.price_usd,
            budget_usd=config.budget_usd,
            rate_limit=config.rate_limit,
            concurrency=config.concurrency,
            open_jobs=lambda: assembly.open_jobs(config),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Cancel what is under way, release claims and close everything, if it is still open."""
        if self._guard.closed:
            return
        ports, pipeline = self._ports, self._pipeline
        self._guard.closed = True
        async with AsyncExitStack() as stack:
            stack.push_async_callback(ports.close)
            stack.push_async_callback(pipeline.close)
            if "jobs" in vars(self):
                stack.push_async_callback(self.jobs.close)

    async def generate(
        self,
        request: ImageRequest,
        *,
        model: str | None = None,
        fresh: bool = False,
        max_cost_usd: float | None = None,
        payer: BudgetOwner | None = None,
        stop: asyncio.Event | None = None,
        on_stage: OnStage | None = None,
        on_send_settled: OnSendSettled | None = None,
        miss: CatalogMiss | None = None,
        take: Take | None = None,
        fresh_key: str | None = None,
    ) -> ImageResult:
        """Answer a request: from the catalog if possible, otherwise with a new image.

        `fresh` always pays for a new image, which requests with the same `fresh_key` share, also
        after a crash. `max_cost_usd` caps what this request may cost. Calls count towards `payer`
        and its daily budget. After `stop` is set, calls already sent are finished and nothing more
        is sent. On the event loop, `on_stage` is called at each stage of the generation, and
        `on_send_settled` as each API call that this request makes ends.
        `miss` is what `answer_from_catalog` just found, so that the catalog is not asked again.
        `take` is the take that the request is, if it is from `plan_takes`.
        Cancelling the caller does not cancel a generation that was sent: it is finished and stored,
        unless Stills is closed. A request still waiting to start is cancelled.

        Raises:
            CancelledError: `stop` was set before anything was sent.
            StillsError: see stills.errors.
        """
        check_is_request(request)
        options = Options(
            self._id(model),
            fresh,
            max_cost_usd,
            payer,
            miss,
            stop=stop,
            on_stage=on_stage or (lambda _: None),
            on_send_settled=on_send_settled or (lambda *_: None),
            take=take,
            fresh_key=fresh_key,
        )
        return await self._pipeline.generate(request, options)

    async def generate_takes(
        self,
        request: ImageRequest,
        *,
        takes: int,
        model: str | None = None,
        fresh: bool = False,
        max_cost_usd: float | None = None,
        stop: asyncio.Event | None = None,
        on_stage: OnStageOf | None = None,
    ) -> tuple[ImageResult, ...]:
        """Answer a request with 1 to 16 images at once, each with the seed after the last one's.

        The first is the image of `generate`. More takes of the same request pay only for the new
        ones. `max_cost_usd` caps what all takes may cost together, and `on_stage` also gets the
        number of the take, from 0. The other arguments are as for `generate`.

        Raises:
            StillsError: the error of the first take that failed; the others are finished and
                stored, and its message names their seeds.
        """
        planned = await self.plan_takes(request, takes=takes, model=model, fresh=fresh)
        options = Options(self._id(model), fresh, max_cost_usd, stop=stop)
        return await generate_takes(self._pipeline, planned, options, on_stage or (lambda *_: None))

    async def plan_takes(
        self,
        request: ImageRequest,
        *,
        takes: int,
        model: str | None = None,
        fresh: bool = False,
        fresh_key: str | None = None,
    ) -> Sequence[Take]:
        """List the takes of a request, for a caller that generates each with `generate`.

        Raises:
            InvalidRequest: the request or the number of takes is invalid.
        """
        check_is_request(request)
        return await plan_takes(
            self._pipeline,
            request,
            takes=check_takes(takes),
            model_id=self._id(model),
            fresh=fresh,
            fresh_key=fresh_key,
        )

    async def generate_many(
        self,
        requests: "Requests",
        *,
        concurrency: int | None = None,
        model: str | None = None,
        fresh: "bool | FreshOf" = False,
        max_cost_usd: "float | MaxCostOf | None" = None,
        takes_of: "TakesOf | None" = None,
        payer: BudgetOwner | None = None,
        job_of: "JobOf | None" = None,
        slots: asyncio.Semaphore | None = None,
        stop: asyncio.Event | None = None,
        on_stage: OnStageOf | None = None,
        on_send_settled: OnSendSettled | None = None,
    ) -> AsyncGenerator[RequestOutcome]:
        """Answer any number of requests, and yield each one's outcome as it finishes.

        Requests are read as needed. At most `concurrency` wait for the service at once; a few more
        are being prepared or stored. A request's StillsError is its outcome; any other exception,
        also from `requests`, ends the run. Waiting to start does not count towards a request's
        deadline. After `stop` is set, calls already sent are finished, and the other requests have
        no outcome. After leaving the loop, calls already sent are finished and their images stored,
        unless Stills is closed. The other arguments are as for `generate`; `on_stage` also gets the
        request's index, and `fresh` and `max_cost_usd` can be functions of it. Neighbours for which
        `takes_of` returns the same name are takes of one request, which a call can make together.
        `job_of` returns the durable job of a request. Runs with the same `slots` have at most that
        many calls at once together.

        Raises:
            InvalidRequest: the model or the concurrency is invalid, or one of `requests` is not an
                ImageRequest.
        """
        from stills.pipeline.generate_many import Many  # noqa: PLC0415 - only batches need it

        settled = on_send_settled or (lambda *_: None)
        many = Many(
            self._pipeline,
            Options(self.model(model).id, payer=payer, slots=slots, on_send_settled=settled),
            fresh=fresh,
            max_cost_usd=max_cost_usd,
            takes_of=takes_of,
            job_of=job_of,
            concurrency=self._concurrency if concurrency is None else concurrency,
            stop=stop,
            on_stage=on_stage,
        )
        async with aclosing(many.outcomes(requests)) as outcomes:
            async for outcome in outcomes:
                yield outcome

    async def answer_from_catalog(
        self, requests: Sequence[ImageRequest], *, model: str | None = None
    ) -> Sequence[CatalogAnswer]:
        """Answer each request whose image is stored at its size; the others have no result.

        Raises:
            UnknownModel: the table has no such id.
        """
        return await self._pipeline.answer_from_catalog(requests, Options(self._id(model)))

    @cached_property
    def jobs(self) -> "JobQueue":
        """The durable jobs, which workers generate."""
        from stills.job_queue import JobQueue  # noqa: PLC0415 - most processes need none

        ports = self._ports
        return JobQueue(self._open_jobs, ports.catalog, ports.provider.name, self._guard)

    @property
    def maintenance(self) -> "Maintenance":
        """Checks and repairs of the catalog and the store."""
        from stills.maintenance.maintenance import Maintenance  # noqa: PLC0415 - rarely used

        return Maintenance(self._ports, self._policy)

    async def drain(self) -> None:
        """Wait until all calls already sent are finished and their images stored."""
        await self._pipeline.drain()

    @property
    def provider(self) -> str:
        """The provider of the images: `dashscope` or `sandbox`, or `none` without an API key."""
        return self._ports.provider.name

    @property
    def under_way(self) -> int:
        """The number of tasks in progress."""
        return self._pipeline.under_way

    @property
    def deadline_seconds(self) -> float:
        """The longest time limit of a request, in seconds."""
        return self._policy.for_slow_calls().deadline_seconds

    def model(self, model_id: str | None = None) -> Model:
        """Return the model of requests, with its prices here.

        Raises:
            UnknownModel: the table has no such id.
        """
        return self._guarded_pipeline.model(self._id(model_id))

    def price_usd(
        self, request: ImageRequest, *, model: str | None = None, references: int | None = None
    ) -> float | None:
        """Return the price of a new image of a request in USD; None if unknown.

        `references` is the number of its reference images, if it does not have all of them yet.

        Raises:
            UnknownModel: the table has no such id.
        """
        return self._guarded_pipeline.price_usd(
            request, self._id(model), reference_images=references
        )

    async def find_statuses(
        self, requests: Sequence[ImageRequest], *, model: str | None = None
    ) -> Sequence[RequestStatus]:
        """Return for each request whether its image is stored; nothing is sent or written.

        Raises:
            UnknownModel: the table has no such id.
            CatalogError: the catalog can't be read.
        """
        return await self._pipeline.find_statuses(requests, self._id(model))

    async def quota(self, *, model: str | None = None) -> Quota:
        """Return the rate limit and its use by all processes that share the catalog."""
        return await self._pipeline.limiter(self._id(model)).quota()

    async def spend(
        self, *, since: float = 0.0, by: "SpendBy | None" = None
    ) -> "Sequence[SpendLine]":
        """Add up what was billed, possibly billed and saved since `since` (Unix seconds)."""
        return await self._ports.catalog.spend(since=since, by=by)

    @property
    def _ports(self) -> Ports:
        self._guard.check()
        return self._guarded_ports

    @property
    def _pipeline(self) -> Pipeline:
        self._guard.check()
        return self._guarded_pipeline

    def _id(self, model: str | None) -> str:
        return self._model if model is None else model
