"""The HTTP server: a port, API keys, and uvicorn in one process or several."""

import asyncio
import functools
import os
import signal
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import FrameType
from urllib.parse import urlsplit

import uvicorn
from starlette.types import ASGIApp
from uvicorn.supervisors import Multiprocess

from stills.app import Stills
from stills.contract.addresses import is_this_machine
from stills.contract.errors import ConfigError
from stills.contract.providers import is_paid
from stills.contract.webhooks import NO_WEBHOOKS, WebhookSettings
from stills.http.access_log import set_up_logs
from stills.http.app import Boards, Mount
from stills.http.connection import Connection, connections_max
from stills.http.routes.health import Readiness
from stills.http.settings import Settings
from stills.http.worker import WorkerOptions, load_tracing, make_worker
from stills.http.workers import metrics_folder

GRACE_SECONDS = 30
SILENT_SECONDS = 30
"""How long a worker may be busy, such as to start, before it is taken for dead and killed."""

FIRST_KEY = "local"
_BACKLOG_MAX = 2048


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """How to serve.

    `insecure` requires no API key from anyone. `model`, `public_url`, `model_aliases`,
    `webhooks`, `cors_origins` and `gallery` are those of Settings. `mounts` are other applications
    by their path; with several workers, each must be a function that can be pickled. `boards` are
    reviewed at /review/, under the names in `reviews`; they need a single worker.
    """

    host: str
    port: int
    model: str
    workers: int = 1
    sandbox: bool = False
    insecure: bool = False
    public_url: str | None = None
    model_aliases: Mapping[str, str] = field(default_factory=dict)
    webhooks: WebhookSettings = NO_WEBHOOKS
    cors_origins: tuple[str, ...] = ()
    gallery: bool = True
    log_format: str = "text"
    traces: bool = False
    mounts: Mapping[str, Mount] = field(default_factory=dict)
    boards: Boards | None = None
    reviews: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HttpServer:
    """A server whose port is open; clients wait until `run`.

    `url` is its own address, `public_url` the one for clients. `new_key` is the API key that was
    just created, shown only now. `trouble` is why it is not ready, None if it is. `signals` are
    those that asked it to stop before it runs.
    """

    url: str
    public_url: str
    keys_required: bool
    new_key: str | None
    trouble: str | None
    listening: socket.socket
    worker: WorkerOptions
    workers: int
    signals: Sequence[int]

    def run(self) -> None:
        """Serve until SIGINT or SIGTERM."""
        if self.workers == 1:
            self._serve(functools.partial(make_worker, self.worker))
            return
        with metrics_folder() as folder:
            # prometheus_client reads nothing else, and reads it when a worker imports it.
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder  # noqa: TID251
            settings = replace(self.worker.settings, metrics_folder=folder)
            make = functools.partial(make_worker, replace(self.worker, settings=settings))
            self._serve(make)

    def _serve(self, make: Callable[[], ASGIApp]) -> None:
        """Serve with an application for each process."""
        config = uvicorn.Config(
            make,
            factory=True,
            workers=self.workers,
            http=Connection,
            backlog=_backlog(),
            lifespan="on",
            ws="none",
            access_log=False,
            log_config=None,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
            timeout_worker_healthcheck=SILENT_SECONDS,
        )
        if self.workers > 1:
            supervisor = Multiprocess(config, sockets=[self.listening])  # handles signals from now
            if not self.signals:
                supervisor.run()
            return
        server = uvicorn.Server(config)
        # It handles these only once it serves, and raises them again when it has stopped.
        _handle_signals(server.handle_exit)
        if not self.signals:
            server.run(sockets=[self.listening])


@contextmanager
def open_server(options: ServerOptions) -> Iterator[HttpServer]:
    """Open the port, and create the first API key if one is required.

    Raises:
        ConfigError: the port is taken, or an option can't be used with another.
        MissingKey: this service has no key for DashScope.
    """
    if options.traces:  # fails before the port is opened
        load_tracing()
    needs_keys = _needs_keys(options)
    set_up_logs(options.log_format)
    with _listen(options.host, options.port) as listening:
        new_key, keys_exist = asyncio.run(_prepare_keys(create=needs_keys))
        keys_required = not options.insecure and (needs_keys or keys_exist)
        if "*" in options.cors_origins and not keys_required:
            raise ConfigError(
                "--cors-origin '*' would let every web page use a service without API keys",
                field="cors-origin",
                action="Create a key with `stills keys add NAME`, or name each origin.",
            )
        settings = Settings(
            model=options.model,
            public_url=options.public_url,
            model_aliases=options.model_aliases,
            webhooks=options.webhooks,
            keys_required=keys_required,
            anyone=options.insecure,
            cors_origins=options.cors_origins,
            gallery=options.gallery,
            reviews=options.reviews,
            drain_seconds=GRACE_SECONDS,
        )
        port = listening.getsockname()[1]
        trouble = asyncio.run(_find_trouble())
        signals: list[int] = []
        _handle_signals(lambda number, _: signals.append(number))
        yield HttpServer(
            url=f"http://{_in_url(options.host)}:{port}",
            public_url=options.public_url or _local_url(options.host, port),
            keys_required=keys_required,
            new_key=new_key,
            trouble=trouble,
            listening=listening,
            worker=WorkerOptions(
                settings,
                options.sandbox,
                options.log_format,
                options.traces,
                options.mounts,
                options.boards,
            ),
            workers=options.workers,
            signals=signals,
        )


def _handle_signals(handler: Callable[[int, FrameType | None], None]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handler)


def _needs_keys(options: ServerOptions) -> bool:
    """Return whether clients need a key: they can spend money, or use another machine.

    A proxy on this machine may forward requests of strangers, and no header shows it.

    Raises:
        MissingKey: this service has no key for DashScope.
    """
    spends = not options.sandbox and is_paid(Stills.from_env().provider)
    hosts = (options.host, urlsplit(options.public_url or "").hostname)
    is_local = all(is_this_machine(host) for host in hosts if host)
    return (spends or not is_local) and not options.insecure


async def _prepare_keys(*, create: bool) -> tuple[str | None, bool]:
    """Create the first key if needed; return it, and whether any key exists."""
    async with Stills.from_catalog() as stills:
        new_key = await stills.keys.add_first(FIRST_KEY) if create else None
        return new_key, await stills.keys.exist()


async def _find_trouble() -> str | None:
    async with Stills.from_catalog() as stills:
        readiness = Readiness(stills)
        try:
            return await readiness.find_trouble()
        finally:
            await readiness.close()


def _listen(host: str, port: int) -> socket.socket:
    """Open the port first: from now on, clients wait instead of being refused.

    Raises:
        ConfigError: it can't be opened.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family, backlog=_backlog())
    except OSError as error:
        raise ConfigError(
            f"can't listen on {host} port {port}: {error.strerror}",
            field="port",
            action="Choose another with --port, or stop the program that uses it.",
        ) from None
    listening.set_inheritable(True)
    return listening


def _backlog() -> int:
    """Limit how many connections are accepted at once: each is an open file until it closes."""
    return min(_BACKLOG_MAX, connections_max() // 2)


def _local_url(host: str, port: int) -> str:
    all_interfaces = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not bound
    return f"http://{_in_url(all_interfaces.get(host, host))}:{port}"


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
