"""The service: its routes behind the gate, and how it starts and stops."""

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
from starlette.routing import Route
from starlette.types import ASGIApp

from stills.app import Stills
from stills.contract.errors import StillsError
from stills.http.bodies import WrongMediaType
from stills.http.errors import error_answer, not_found, problem, unexpected
from stills.http.idempotency import KeyReused
from stills.http.image_files import IMAGE_PATH, ImageFiles
from stills.http.image_service import ImageService
from stills.http.metrics import Metrics
from stills.http.middleware import Middleware, get_log_entry
from stills.http.openapi import PNG
from stills.http.routes.contract import make_contract_router
from stills.http.routes.health import Readiness, make_health_router
from stills.http.routes.images import make_images_router
from stills.http.routes.openai import make_openai_router
from stills.http.settings import Settings

Mount = Callable[[ImageService], AbstractAsyncContextManager[ASGIApp]]
"""Opens an application, which can ask for images, for as long as the service runs."""


def make_service(
    stills: Stills, settings: Settings, *, mounts: Mapping[str, Mount] | None = None
) -> ASGIApp:
    """Make the service of one worker; it closes `stills` when it stops."""
    metrics = Metrics(settings.metrics_folder)
    asking = ImageService(stills, settings, metrics)
    readiness = Readiness(stills)

    async def stop() -> None:
        # Where callers were cut off, the time is over already.
        await readiness.close()
        await _stop(stills, asking, 0.0 if gate.cut_off else settings.drain_seconds)

    @asynccontextmanager
    async def run(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(stop)
            for path, mount in (mounts or {}).items():
                mounted = await stack.enter_async_context(mount(asking))
                app.router.routes.append(Route(path, mounted, include_in_schema=False))
            yield

    app = _Documented(
        title="Stills",
        summary="One normalized image request in, one kept image out, never paid for twice.",
        version=version("stills"),
        lifespan=run,
        redoc_url=None,
        redirect_slashes=False,
        separate_input_output_schemas=False,
    )
    app.include_router(make_openai_router(asking))
    app.include_router(make_contract_router(asking))
    app.include_router(make_images_router(stills, settings.image_url))
    app.include_router(make_health_router(stills, settings, metrics, readiness))
    app.add_exception_handler(StillsError, _tell)
    app.add_exception_handler(RequestValidationError, _refuse_parameter)
    app.add_exception_handler(HTTPException, _refuse)
    app.add_exception_handler(Exception, _fail)
    gate = Middleware(app, ImageFiles(stills), stills, settings, metrics)
    return _admit_pages(gate, settings.cors_origins) if settings.cors_origins else gate


def _admit_pages(gate: Middleware, origins: Sequence[str]) -> ASGIApp:
    """Answer preflights, and let these web pages read every answer, errors included."""
    return CORSMiddleware(
        gate,
        allow_origins=origins,
        allow_methods=("GET", "HEAD", "POST"),
        allow_headers=("*",),
        allow_private_network=True,
        expose_headers=(
            "Retry-After", "X-Request-ID", "X-Should-Retry", "X-Stills-Ignored",
        ),
    )  # fmt: skip


class _Documented(FastAPI):
    """Adds to the OpenAPI document what FastAPI does not route."""

    def openapi(self) -> dict[str, Any]:
        document = super().openapi()
        document["paths"].setdefault(IMAGE_PATH, PNG)
        bearer = {"type": "http", "scheme": "bearer", "description": "Made by `stills keys add`."}
        document["components"]["securitySchemes"] = {"key": bearer}
        document["security"] = [{"key": []}, {}]  # without keys made, none is asked for
        for path in document["paths"].values():
            for operation in path.values():
                operation["responses"].pop("422", None)  # FastAPI's own status; ours is 400
        return document


async def _stop(stills: Stills, asking: ImageService, seconds: float) -> None:
    """Let what was sent be finished, within a limit; what is left is resumed later."""
    try:
        async with asyncio.timeout(seconds):
            await stills.drain()
    except TimeoutError:
        pass
    await asking.close()
    await stills.close()


async def _tell(request: Request, error: Exception) -> Response:
    if isinstance(error, StillsError):
        get_log_entry(request).error = error.code
    if isinstance(error, KeyReused):
        return problem(409, f"{error.message} {error.action}", code=error.code, param=error.field)
    if isinstance(error, WrongMediaType):
        return problem(415, f"{error.message}. {error.action}", code=error.code, param=error.field)
    if not isinstance(error, StillsError):
        raise error
    return error_answer(error)


async def _refuse_parameter(_: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    first = error.errors()[0]
    name = str(first["loc"][-1])
    return problem(400, f"{name}: {first['msg']}.", code="invalid_request", param=name)


async def _fail(_: Request, __: Exception) -> Response:
    return unexpected()


async def _refuse(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    if error.status_code == 404:  # noqa: PLR2004 - HTTP's own number
        return not_found(f"There is nothing at {request.url.path[:100]}; /docs shows what is.")
    headers = dict(error.headers or {})
    return problem(error.status_code, str(error.detail), code="not_served", headers=headers)
