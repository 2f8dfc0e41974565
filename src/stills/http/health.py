"""Health for whoever runs the service."""

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from stills.app import Stills
from stills.contract.errors import StillsError
from stills.http.describe import refusals
from stills.http.errors import problem
from stills.http.gate import entry_of
from stills.http.metrics import Metrics
from stills.http.settings import Settings

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Health(BaseModel):
    """That it answers."""

    status: str = "ok"


def make_health_router(stills: Stills, settings: Settings, metrics: Metrics) -> APIRouter:
    """Serve health and metrics."""
    router = APIRouter(tags=["health"])

    @router.get("/healthz", responses=refusals())
    async def tell_alive() -> Health:
        """Say that this process answers."""
        return Health()

    @router.get("/readyz", response_model=Health, responses=refusals(503))
    async def tell_ready(request: Request) -> Response:
        """Say whether catalog and store answer."""
        try:
            await stills.check_ready()
        except StillsError as error:
            entry_of(request).error = error.code
            return problem(503, "The catalog or the store does not answer.", code=error.code)
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
