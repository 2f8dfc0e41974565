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
from stills.http.settings import Settings

READY_SECONDS = 5.0
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


def describe_trouble(error: StillsError) -> str:
    """Return why catalog or store can't be used, and which variables locate them."""
    return (
        f"{error.message.rstrip('.')}. {error.action} OUTPUT_DIR, STILLS_STORE and STILLS_CATALOG "
        "set where images and catalog are."
    )


def make_health_router(
    stills: Stills, settings: Settings, metrics: Metrics, readiness: Readiness
) -> APIRouter:
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
        return await answer_metrics(stills, metrics, model=settings.model)

    return router


async def answer_metrics(stills: Stills, metrics: Metrics, *, model: str | None = None) -> Response:
    """Answer with all metrics; the rate of request starts is that of `model`."""
    # Without the catalog, which has the rate, the money that was counted is still shown.
    with suppress(StillsError):
        quota = await stills.quota(model=model)
        metrics.limit.set(-1 if quota.limit_per_second is None else quota.limit_per_second)
        metrics.rate.set(-1 if quota.per_second is None else quota.per_second)
    return Response(metrics.text(), headers={"Content-Type": METRICS_TYPE})
