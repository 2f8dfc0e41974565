"""The HTTP service of one worker: its routes behind the middleware, its start and its stop."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import ASGIApp

from stills.app import Stills
from stills.contract.errors import Billing, StillsError
from stills.http.access_log import get_log_entry
from stills.http.auth import AccessControl
from stills.http.connection import STOPPING
from stills.http.deletion import HttpDeletion
from stills.http.errors import (
    error_answer,
    list_methods,
    not_found,
    problem,
    unexpected,
    wrong_method,
)
from stills.http.gallery.routes import GalleryRoutes
from stills.http.generation import HttpGeneration
from stills.http.idempotency import KeyReused
from stills.http.image_files import ImageFiles
from stills.http.jobs import HttpJobs
from stills.http.login import LoginRoutes
from stills.http.metrics import Metrics
from stills.http.middleware import Middleware
from stills.http.openai_answer import CACHED_HEADER, COST_HEADER, ID_HEADER, IGNORED_HEADER
from stills.http.openapi import IMAGE_FILE_ROUTE
from stills.http.paths import IMAGE_PATH, OPENAI_PATHS
from stills.http.request_body import WrongMediaType
from stills.http.routes.api_docs import make_docs_routes
from stills.http.routes.contract import make_contract_router
from stills.http.routes.health import MetricsPage, Readiness, make_health_router
from stills.http.routes.images import make_images_router
from stills.http.routes.jobs import make_jobs_router
from stills.http.routes.models import make_models_router
from stills.http.routes.openai import make_openai_router
from stills.http.settings import Settings
from stills.service.image_service import ImageService

Mount = Callable[[HttpGeneration, HttpDeletion], AbstractAsyncContextManager[ASGIApp]]
"""Opens another application with the same images, for as long as the service runs."""


Boards = Callable[[], AbstractAsyncContextManager[Sequence[BaseRoute]]]
"""Opens the boards that are reviewed here, and gives their routes, as long as the service runs."""


def make_app(
    stills: Stills,
    settings: Settings,
    *,
    mounts: Mapping[str, Mount] | None = None,
    boards: Boards | None = None,
) -> ASGIApp:
    """Make the application of one worker; it closes `stills` when it stops."""
    metrics = Metrics(settings.metrics_folder, models=stills.models)
    access = AccessControl(stills, settings)
    service = ImageService(stills, observer=metrics)
    generation = HttpGeneration(stills, settings, service)
    jobs = HttpJobs(generation)
    image_files = ImageFiles(stills)
    deletion = HttpDeletion(stills, settings, image_files)
    readiness = Readiness(stills)
    page = MetricsPage(stills, metrics, model=settings.model)

    async def stop() -> None:
        # After a cut-off, the time for a stop is already over.
        await readiness.close()
        await page.close()
        await _stop(stills, service, 0.0 if middleware.cut_off else settings.drain_seconds)

    @asynccontextmanager
    async def run(app: FastAPI) -> AsyncIterator[Mapping[str, Any]]:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(stop)
            for path, mount in (mounts or {}).items():
                mounted = await stack.enter_async_context(mount(generation, deletion))
                app.router.routes.append(Route(path, mounted, include_in_schema=False))
            if boards is not None:
                app.router.routes.extend(await stack.enter_async_context(boards()))
            yield {STOPPING: asyncio.Event()}

    app = _DocumentedApp(
        title="Stills",
        summary="Generate still images of any size, stored for good and never billed twice.",
        version=version("stills"),
        lifespan=run,
        docs_url=None,  # ours needs no network
        redoc_url=None,
        redirect_slashes=False,
        separate_input_output_schemas=False,
    )
    app.include_router(make_openai_router(generation, jobs))
    app.include_router(make_models_router(generation))
    app.include_router(make_contract_router(generation, jobs))
    app.include_router(make_images_router(stills, settings, deletion))
    app.include_router(make_jobs_router(jobs, settings))
    app.router.routes.extend(make_docs_routes("Stills API"))
    if settings.gallery or settings.reviews:
        app.router.routes.extend(LoginRoutes(stills, access).list())
    if settings.gallery:
        app.router.routes.extend(GalleryRoutes(stills, settings).list())
    app.include_router(make_health_router(page, readiness))
    app.add_exception_handler(StillsError, _answer_error)
    app.add_exception_handler(RequestValidationError, _answer_invalid_parameter)
    app.add_exception_handler(HTTPException, _answer_http_error)
    app.add_exception_handler(Exception, _answer_unexpected)
    middleware = Middleware(app, image_files, access, metrics)
    return _allow_pages(middleware, settings.cors_origins) if settings.cors_origins else middleware


def _allow_pages(app: ASGIApp, origins: Sequence[str]) -> ASGIApp:
    """Answer preflight requests, and let these web pages read every response, errors included."""
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=("DELETE", "GET", "HEAD", "POST"),
        allow_headers=("*",),
        allow_private_network=True,
        expose_headers=(
            "Retry-After", "X-Request-ID", "X-Should-Retry", CACHED_HEADER, COST_HEADER, ID_HEADER,
            IGNORED_HEADER,
        ),
    )  # fmt: skip


class _DocumentedApp(FastAPI):
    """Adds to the OpenAPI document the parts that FastAPI does not know."""

    def openapi(self) -> dict[str, Any]:
        document = super().openapi()
        document["paths"].setdefault(IMAGE_PATH, IMAGE_FILE_ROUTE)
        bearer = {
            "type": "http",
            "scheme": "bearer",
            "description": "An API key created with `stills keys add`.",
        }
        document["components"]["securitySchemes"] = {"key": bearer}
        document["security"] = [{"key": []}, {}]  # no key is required before the first is created
        for path in document["paths"].values():
            for operation in path.values():
                operation["responses"].pop("422", None)  # FastAPI's own status; ours is 400
        return document


async def _stop(stills: Stills, service: ImageService, seconds: float) -> None:
    """Finish what was sent, within a limit; the rest is resumed later."""
    try:
        async with asyncio.timeout(seconds):
            await stills.drain()
    except TimeoutError:
        pass
    await service.close()
    await stills.close()


async def _answer_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, StillsError):
        raise error
    get_log_entry(request).error = error.code
    for kind, status in ((KeyReused, 409), (WrongMediaType, 415)):
        if isinstance(error, kind):
            message = f"{error.message.rstrip('.')}. {error.action}"
            return problem(status, message, code=error.code, param=error.field)
    answer = error_answer(error, in_openai_shape=request.url.path in OPENAI_PATHS)
    is_paid = error.billing is not Billing.NONE or error.has_billed_takes
    if is_paid and getattr(request.state, "repeat_pays", False):
        answer.headers["x-should-retry"] = "false"  # a repetition pays for another new image
    return answer


async def _answer_invalid_parameter(_: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    first = error.errors()[0]
    name = str(first["loc"][-1])
    return problem(400, f"{name}: {first['msg']}.", code="invalid_request", param=name)


async def _answer_unexpected(_: Request, __: Exception) -> Response:
    return unexpected()


async def _answer_http_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    if error.status_code == 404:  # noqa: PLR2004 - HTTP's own number
        return not_found(f"{request.url.path[:100]} does not exist; /docs lists all routes.")
    if error.status_code == 405:  # noqa: PLR2004 - as above
        methods = _find_methods(request)
        return list_methods(methods) if request.method == "OPTIONS" else wrong_method(methods)
    headers = dict(error.headers or {})
    return problem(error.status_code, str(error.detail), code="not_served", headers=headers)


def _find_methods(request: Request) -> set[str]:
    """Return the methods of all routes with the request's path."""
    methods = {
        method
        for method in ("GET", "POST", "DELETE")
        for route in request.app.routes
        if route.matches({**request.scope, "method": method})[0] is Match.FULL
    }
    return methods | ({"HEAD"} if "GET" in methods else set())
