"""Health for whoever runs the service."""

import asyncio
import logging

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from stills.app import Stills
from stills.contract.errors import StillsError
from stills.http.errors import problem
from stills.http.metrics import Metrics
from stills.http.middleware import get_log_entry
from stills.http.openapi import refusals
from stills.http.settings import Settings

READY_SECONDS = 5.0
_LOG = logging.getLogger("stills.http")
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def describe_trouble(error: StillsError) -> str:
    """Say why catalog or store can't be used, and which variables say where they are."""
    return (
        f"{error.message.rstrip('.')}. {error.action} OUTPUT_DIR, STILLS_STORE and STILLS_CATALOG "
        "say where images and catalog are."
    )


class Health(BaseModel):
    """That it answers."""

    status: str = "ok"


class Readiness:
    """Looks at catalog and store, once at a time for any number of probes: a look may hang."""

    def __init__(self, stills: Stills) -> None:
        self._stills = stills
        self._logged = ""
        self._checking: asyncio.Task[None] | None = None

    async def check(self) -> None:
        """Check that both answer.

        Raises:
            StorageError: one of them answers with an error.
            TimeoutError: one of them does not answer in time.
        """
        if self._checking is None or self._checking.done():
            self._checking = asyncio.create_task(self._stills.check_ready())
        done, _ = await asyncio.wait({self._checking}, timeout=READY_SECONDS)
        if not done:
            self._log(f"catalog or store did not answer within {READY_SECONDS:g} s")
            raise TimeoutError
        try:
            self._checking.result()
        except StillsError as error:
            self._log(describe_trouble(error))
            raise
        self._logged = ""

    def _log(self, trouble: str) -> None:
        """Log a trouble once, however often somebody probes."""
        if trouble != self._logged:
            self._logged = trouble
            _LOG.warning("not ready: %s", trouble)

    async def close(self) -> None:
        """End the look that is under way."""
        if self._checking is not None:
            self._checking.cancel()
            await asyncio.gather(self._checking, return_exceptions=True)


def make_health_router(
    stills: Stills, settings: Settings, metrics: Metrics, readiness: Readiness
) -> APIRouter:
    """Serve health and metrics."""
    router = APIRouter(tags=["health"])

    @router.get("/healthz", responses=refusals())
    async def tell_alive() -> Health:
        """Say that this process answers."""
        return Health()

    @router.get("/readyz", response_model=Health, responses=refusals(503))
    async def tell_ready(request: Request) -> Response:
        """Say whether catalog and store answer and can be written."""
        try:
            await readiness.check()
        except TimeoutError:
            get_log_entry(request).error = "not_ready"
            return problem(
                503,
                f"The catalog or the store did not answer within {READY_SECONDS:g} s.",
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
    async def tell_metrics() -> Response:
        """Tell the numbers of all workers in Prometheus' format."""
        quota = await stills.quota(model=settings.model)
        metrics.limit.set(-1 if quota.limit_per_second is None else quota.limit_per_second)
        metrics.rate.set(-1 if quota.per_second is None else quota.per_second)
        return Response(metrics.text(), headers={"Content-Type": METRICS_TYPE})

    return router
