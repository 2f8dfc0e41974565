"""Health and metrics for the operator of the service."""

import asyncio
import logging
from contextlib import suppress

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from stills.app import Stills
from stills.contract.errors import StillsError
from stills.http.access_log import get_log_entry
from stills.http.errors import problem
from stills.http.metrics import Metrics
from stills.http.openapi import refusals

READY_SECONDS = 5.0
RATE_SECONDS = 2.0
"""How long metrics wait for the catalog: Prometheus gives up after ten seconds."""

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_LOG = logging.getLogger("stills.http")


class Health(BaseModel):
    """The service responds."""

    status: str = "ok"


class Readiness:
    """Checks catalog and store. A check may hang, so all probes share the one that is running."""

    def __init__(self, stills: Stills) -> None:
        self._stills = stills
        self._logged = ""
        self._checking: asyncio.Task[None] | None = None

    async def check(self) -> None:
        """Check that catalog and store respond and can be written.

        Raises:
            StorageError: one of them responds with an error.
            TimeoutError: one of them does not respond in time.
        """
        if self._checking is None or self._checking.done():
            self._checking = asyncio.create_task(self._stills.maintenance.check_ready())
        done, _ = await asyncio.wait({self._checking}, timeout=READY_SECONDS)
        if not done:
            self._log(f"catalog or store did not respond within {READY_SECONDS:g} s")
            raise TimeoutError
        try:
            self._checking.result()
        except StillsError as error:
            self._log(describe_trouble(error))
            raise
        self._logged = ""

    async def find_trouble(self) -> str | None:
        """Return why the service is not ready, None if it is."""
        try:
            await self.check()
        except TimeoutError:
            return f"catalog or store did not respond within {READY_SECONDS:g} s"
        except StillsError as error:
            return describe_trouble(error)
        return None

    async def close(self) -> None:
        """Cancel the check that is running."""
        if self._checking is not None:
            self._checking.cancel()
            await asyncio.gather(self._checking, return_exceptions=True)

    def _log(self, trouble: str) -> None:
        """Log a problem once, however often it is probed."""
        if trouble != self._logged:
            self._logged = trouble
            _LOG.warning("not ready: %s", trouble)


class MetricsPage:
    """Answers with all metrics; the rate of request starts is that of `model`.

    The rate is in the catalog. If that does not respond, the last one is shown, and all else.
    """

    def __init__(self, stills: Stills, metrics: Metrics, *, model: str | None = None) -> None:
        self._stills = stills
        self._metrics = metrics
        self._model = model
        self._reading: asyncio.Task[None] | None = None

    async def answer(self) -> Response:
        """Return the page, at the latest after RATE_SECONDS."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read_rate())
        await asyncio.wait({self._reading}, timeout=RATE_SECONDS)
        return Response(self._metrics.text(), headers={"Content-Type": METRICS_TYPE})

    async def close(self) -> None:
        """Cancel the query that is running."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    async def _read_rate(self) -> None:
        with suppress(StillsError):
            quota = await self._stills.quota(model=self._model)
            limit, rate = quota.limit_per_second, quota.per_second
            self._metrics.limit.set(-1 if limit is None else limit)
            self._metrics.rate.set(-1 if rate is None else rate)


def describe_trouble(error: StillsError) -> str:
    """Return why catalog or store can't be used, and which variables locate them."""
    return (
        f"{error.message.rstrip('.')}. {error.action} OUTPUT_DIR, STILLS_STORE and STILLS_CATALOG "
        "set where images and catalog are."
    )


def make_health_router(page: MetricsPage, readiness: Readiness) -> APIRouter:
    """Serve health and metrics."""
    router = APIRouter(tags=["health"])

    @router.get("/healthz", responses=refusals())
    async def show_health() -> Health:
        """Liveness: this process responds."""
        return Health()

    @router.get("/readyz", response_model=Health, responses=refusals(503))
    async def show_readiness(request: Request) -> Response:
        """Readiness: catalog and store respond and can be written."""
        try:
            await readiness.check()
        except TimeoutError:
            get_log_entry(request).error = "not_ready"
            return problem(
                503,
                f"The catalog or the store did not respond within {READY_SECONDS:g} s.",
                code="not_ready",
            )
        except StillsError as error:
            get_log_entry(request).error = error.code
            return problem(503, "The catalog or the store can't be used.", code=error.code)
        return JSONResponse(Health().model_dump())

    @router.get(
        "/metrics",
        response_class=Response,
        responses={200: {"content": {METRICS_TYPE: {"schema": {"type": "string"}}}}, **refusals()},
    )
    async def show_metrics() -> Response:
        """Metrics of all workers, in Prometheus' text format."""
        return await page.answer()

    return router
