"""`stills serve`: the HTTP door, one process or several on one catalog."""

import argparse
import asyncio
import functools
import gc
import os
import re
import signal
import sys
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.types import ASGIApp

from stills.app import Stills
from stills.cli.open_files import raise_open_files
from stills.cli.text import printable
from stills.config import read_config
from stills.contract.addresses import is_this_machine
from stills.contract.errors import InvalidRequest, StillsError
from stills.http.access_log import set_up_logs
from stills.http.app import make_service
from stills.http.image_service import ImageService
from stills.http.middleware import BODY_MAX_BYTES
from stills.http.routes.health import READY_SECONDS, Readiness, describe_trouble
from stills.http.server import GRACE_SECONDS, listen, run_server
from stills.http.settings import Settings
from stills.http.workers import hold, metrics_folder, stop_with_parent
from stills.mcp.http import make_http_app
from stills.mcp.server import make_server

if TYPE_CHECKING:
    from stills.http.tracing import Tracing

_FIRST_KEY = "local"
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?|https?://\[[0-9a-f:]+\](:[0-9]{1,5})?")


@dataclass(frozen=True, slots=True)
class _Worker:
    """What each process is told; it reads the environment itself."""

    sandbox: bool
    keys_required: bool
    anyone: bool
    cors_origins: tuple[str, ...]
    log_format: str
    metrics_folder: str | None = None


def run(options: argparse.Namespace) -> int:
    """Carry out the command."""
    config = read_config()
    if config.traces:  # a variable that can't be used is told before a port is taken
        _load_tracing()
    _check(options)
    keys_needed = _needs_keys(options, config.public_url)
    set_up_logs(options.log_format)
    # uvicorn stops on these and raises them once more when it is done: that is no failure.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    raise_open_files()
    with listen(options.host, options.port) as listening:
        new_key, have_keys = asyncio.run(_prepare_keys(create=keys_needed))
        worker = _Worker(
            options.sandbox,
            keys_required=not options.insecure and (keys_needed or have_keys),
            anyone=options.insecure,
            cors_origins=tuple(options.cors_origin),
            log_format=options.log_format,
        )
        if "*" in worker.cors_origins and not worker.keys_required:
            raise InvalidRequest(
                "--cors-origin '*' would let every web page use a service without keys",
                field="cors-origin",
                action="Create a key with `stills keys add NAME`, or name each origin.",
            )
        port = listening.getsockname()[1]
        _announce(f"http://{_in_url(options.host)}:{port}/v1", asyncio.run(_find_trouble()))
        if worker.keys_required:
            _explain_keys(new_key, config.public_url or _local_url(options.host, port))
        sys.stdout.flush()
        if options.workers == 1:
            run_server(functools.partial(make_worker, worker), listening, workers=1)
            return 0
        with metrics_folder() as folder:
            # prometheus_client takes it from nowhere else, as each worker loads it.
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder  # noqa: TID251
            make = functools.partial(make_worker, replace(worker, metrics_folder=folder))
            run_server(make, listening, workers=options.workers)
    return 0


def _needs_keys(options: argparse.Namespace, public_url: str | None) -> bool:
    """Return whether callers need a key: they can spend money, or come from other machines.

    A proxy on this machine may pass on what strangers send, and no header says so.

    Raises:
        MissingKey: the service itself has no key for DashScope.
    """
    spends = not options.sandbox and Stills.from_env().provider == "dashscope"
    hosts = (options.host, urlsplit(public_url or "").hostname)
    is_local = all(is_this_machine(host) for host in hosts if host)
    return (spends or not is_local) and not options.insecure


async def _prepare_keys(*, create: bool) -> tuple[str | None, bool]:
    """Create the first key if asked to; return it, and whether there are keys."""
    async with Stills.from_catalog() as stills:
        new_key = await stills.keys.add_first(_FIRST_KEY) if create else None
        return new_key, await stills.keys.exist()


async def _find_trouble() -> str | None:
    """Return why catalog or store can't be used, None if they can."""
    async with Stills.from_catalog() as stills:
        readiness = Readiness(stills)
        try:
            await readiness.check()
        except TimeoutError:
            return f"catalog or store did not answer within {READY_SECONDS:g} s"
        except StillsError as error:
            return describe_trouble(error)
        finally:
            await readiness.close()
    return None


def _announce(url: str, trouble: str | None) -> None:
    if trouble is None:
        print(f"Stills answers at {url}")
    else:
        print(printable(f"Stills listens at {url} but is not ready: {trouble}"))


def _explain_keys(new_key: str | None, base_url: str) -> None:
    if new_key is None:
        print("Every request needs an API key; `stills keys add NAME` creates another.")
        return
    print(f"Every request needs an API key. This one, named {_FIRST_KEY}, is shown only once:")
    print(f"export OPENAI_BASE_URL={base_url}/v1")
    print(f"export OPENAI_API_KEY={new_key}")


def _local_url(host: str, port: int) -> str:
    every = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not bound
    return f"http://{_in_url(every.get(host, host))}:{port}"


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def make_worker(worker: _Worker) -> ASGIApp:
    """Make the service of one process."""
    stop_with_parent()
    if worker.metrics_folder is not None:
        hold(worker.metrics_folder)
    set_up_logs(worker.log_format)
    config = read_config()
    stills = Stills.from_env(sandbox=worker.sandbox, guard_references=True)
    settings = Settings(
        model=config.model,
        public_url=config.public_url,
        model_aliases=config.model_aliases,
        keys_required=worker.keys_required,
        anyone=worker.anyone,
        cors_origins=worker.cors_origins,
        drain_seconds=GRACE_SECONDS,
        metrics_folder=worker.metrics_folder,
    )

    def mount_mcp(asking: ImageService) -> AbstractAsyncContextManager[ASGIApp]:
        server = make_server(stills, image_url=settings.image_url, ask=asking.ask_one)
        return make_http_app(server, body_max_bytes=BODY_MAX_BYTES)

    service = make_service(stills, settings, mounts={"/mcp": mount_mcp})
    # What was loaded so far stays until the end. To look through it for garbage, time and again,
    # stops all answers for 70 ms.
    gc.collect()
    gc.freeze()
    return _load_tracing()(service) if config.traces else service


def _load_tracing() -> type["Tracing"]:
    try:
        from stills.http.tracing import Tracing  # noqa: PLC0415 - an extra
    except ModuleNotFoundError:
        raise InvalidRequest(
            "the environment asks for traces, and OpenTelemetry is not installed",
            field="OTEL_EXPORTER_OTLP_ENDPOINT",
            action="Run `pip install 'stills[otel]'`, or set OTEL_TRACES_EXPORTER=none.",
        ) from None
    return Tracing


def _check(options: argparse.Namespace) -> None:
    if not 0 <= options.port <= 65_535:  # noqa: PLR2004 - TCP's own limit
        raise InvalidRequest("--port is out of range", field="port", action="Give 0 to 65535.")
    if not 1 <= options.workers <= 64:  # noqa: PLR2004 - more than any machine of ours needs
        raise InvalidRequest("--workers is out of range", field="workers", action="Give 1 to 64.")
    for origin in options.cors_origin:
        if origin != "*" and _ORIGIN.fullmatch(origin) is None:
            raise InvalidRequest(
                f"--cors-origin {origin[:80]!r} is not an origin",
                field="cors-origin",
                action="Give only scheme, host and port, such as https://app.example.com, or *.",
            )
