"""Build the adapters from the configuration; the only module that knows them all."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from stills.config import Config
from stills.contract.errors import CatalogError, ConfigError, JobsError, MissingKey
from stills.contract.forked import begin_use
from stills.contract.links import ImageLinks
from stills.contract.ports.catalog import Catalog
from stills.contract.ports.provider import Provider
from stills.contract.ports.store import Store
from stills.contract.postgres_url import PostgresUrl
from stills.contract.providers import NO_PROVIDER, SANDBOX
from stills.imaging import VipsImaging
from stills.pipeline.policy import Policy
from stills.pipeline.ports import Ports
from stills.provider.credentials import (
    SANDBOX_KEY_PREFIX,
    Credentials,
    ProviderKey,
    find_credentials,
)
from stills.provider.deferred import DeferredProvider
from stills.provider.tokenizer import QwenTokenizer
from stills.store import FolderStore, open_store

_JOBS_NAME = "jobs.db"

if TYPE_CHECKING:
    from stills.catalog.postgres import PostgresCatalog
    from stills.contract.ports.downloader import Downloader
    from stills.contract.ports.jobs import Jobs
    from stills.contract.ports.webhook_sender import WebhookSender


def build_ports(
    config: Config,
    provider: Provider,
    *,
    trusts_references: bool = True,
    creates_to_read: bool = True,
) -> Ports:
    """Build the adapters that the caller did not choose.

    References that are not trusted are downloaded only from public addresses. Without
    `creates_to_read`, a catalog in SQLite is created only to write something.

    Raises:
        ConfigError: the store's location is not valid.
        CatalogError: the catalog is in Postgres, and its driver is not installed.
    """
    return Ports(
        provider=provider,
        catalog=_catalog(config.catalog, creates_to_read=creates_to_read),
        store=_store(config.store, config.image_links),
        imaging=VipsImaging(),
        spool=open_store(str(config.spool)),
        tokenizer=QwenTokenizer(),
        downloader=_Download(
            "OwnerDownload" if trusts_references else "GuardedDownload", config.certificates
        ),
        trusts_references=trusts_references,
        public_url=config.public_url,
        thumbnails=_thumbnails(config),
    )


def build_policy(config: Config) -> Policy:
    """Build the policy that the configuration asks for."""
    return Policy(
        deadline_seconds=config.deadline_seconds,
        unknown_resends=config.resend_unknown,
        uses_tasks=config.uses_tasks,
    )


class _Download:
    """A downloader that is loaded when it is first used: most requests need none."""

    def __init__(self, name: str, certificates: tuple[str, Path] | None) -> None:
        self._name = name
        self._certificates = certificates
        self._made: Downloader | None = None

    async def get(self, url: str, *, max_bytes: int) -> bytes:
        if self._made is None:
            module = await asyncio.to_thread(import_module, "stills.web")
            tls = await asyncio.to_thread(module.load_certificates, self._certificates)
            self._made = getattr(module, self._name)(ssl_context=tls)
        return await self._made.get(url, max_bytes=max_bytes)


def _thumbnails(config: Config) -> Store:
    """Open the folder of thumbnails: next to the catalog, or if that is a server, the spool."""
    local = config.catalog if isinstance(config.catalog, Path) else config.spool
    return open_store(str(local.with_name("thumbnails")))


def _catalog(location: Path | PostgresUrl, *, creates_to_read: bool) -> Catalog:
    if isinstance(location, PostgresUrl):
        return open_postgres(location)
    from stills.catalog import SqliteCatalog  # noqa: PLC0415 - Postgres needs none

    return SqliteCatalog(location, creates_to_read=creates_to_read)


def open_postgres(url: PostgresUrl) -> "PostgresCatalog":
    """Open a catalog in Postgres; its first use connects.

    Raises:
        CatalogError: the driver is not installed.
    """
    catalog: PostgresCatalog = _import_postgres("stills.catalog.postgres").PostgresCatalog(url)
    return catalog


def copy_catalog(
    source: Path, target: PostgresUrl, on_rows: Callable[[int], None]
) -> Mapping[str, int]:
    """Copy a catalog from SQLite to Postgres; returns the number of rows per table.

    `on_rows` gets the number of rows copied so far. A copy that was cut off continues.

    Raises:
        CatalogError: one of them can't be used, the target is not empty, or the copy differs.
    """
    copied: Mapping[str, int] = _import_postgres("stills.catalog.postgres.copy").copy_catalog(
        source, target, on_rows
    )
    return copied


def _import_postgres(name: str) -> ModuleType:
    try:
        return import_module(name)
    except ImportError as error:
        raise CatalogError(
            "a catalog in Postgres needs its driver, psycopg, which can't be loaded",
            action="Run `pip install 'stills[postgres]'`. Nothing was sent.",
        ) from error


def open_webhook_sender(config: Config) -> "WebhookSender":
    """Open what sends webhooks. Blocks.

    Raises:
        ConfigError: no certificates can be read.
    """
    sender: WebhookSender = import_module("stills.web.webhook_sender").PublicWebhookSender(
        allows_private=config.webhooks.allows_private,
        ssl_context=import_module("stills.web").load_certificates(config.certificates),
    )
    return sender


def has_jobs(config: Config) -> bool:
    """Return whether there may be durable jobs: a file of them, or a Postgres."""
    catalog = config.catalog
    return not isinstance(catalog, Path) or catalog.with_name(_JOBS_NAME).exists()


def open_jobs(config: Config) -> "Jobs":
    """Open the database of jobs: `jobs.db` next to the catalog, or the catalog's Postgres.

    Raises:
        JobsError: its libraries are not installed.
    """
    catalog = config.catalog
    location = catalog.with_name(_JOBS_NAME) if isinstance(catalog, Path) else catalog
    try:
        jobs: Jobs = import_module("stills.jobs").DbosJobs(location)
    except ImportError as error:
        raise JobsError(
            "durable jobs need the library DBOS, which can't be loaded",
            action="Run `pip install 'stills[jobs]'`. Nothing was submitted or sent.",
        ) from error
    return jobs


def _store(location: str, links: ImageLinks) -> Store:
    try:
        store = open_store(location, links)
    except ValueError as error:
        raise ConfigError(
            f"STILLS_STORE can't be used: {error}",
            field="STILLS_STORE",
            action="Set it to a folder, or a URL such as s3://bucket/prefix.",
        ) from None
    if links != ImageLinks() and isinstance(store, FolderStore):
        raise ConfigError(
            "STILLS_IMAGE_URL needs an object store, but STILLS_STORE is a folder",
            field="STILLS_IMAGE_URL",
            action="Leave it out, or set STILLS_STORE to a URL such as s3://bucket/prefix.",
        )
    return store


def find_service(config: Config) -> Credentials:
    """Find the API key, and the service that it is for.

    Raises:
        MissingKey: there is no API key.
        AccessError: the key or the base URL can't be used.
    """
    return find_credentials(
        key=config.api_key,
        profile=config.profile,
        credentials_file=config.credentials_file,
        base_url=config.base_url,
        project_base_url=config.project_base_url,
        dotenv_files=config.project.key_files,
        api_key_file=config.api_key_file,
        account_name=config.account,
    )


def use_dashscope(config: Config) -> Provider:
    """Call the service, or a sandbox if the base URL points to one.

    Raises:
        MissingKey: there is no API key.
        AccessError: the key or the base URL can't be used.
    """
    credentials = find_service(config)

    async def make(stack: AsyncExitStack) -> Provider:
        return await _connect(
            stack, credentials, certificates=config.certificates, has_live_links=True
        )

    return DeferredProvider(credentials.provider.name, make, account=credentials.account)


def embed_sandbox(config: Config) -> Provider:
    """Call a sandbox inside this process, started at the first call; it serves all our models."""
    models_like = {one.id: one.like for one in config.models.values() if one.like is not None}

    async def make(stack: AsyncExitStack) -> Provider:
        begin_use("libvips")  # the sandbox generates images with it
        module = await asyncio.to_thread(import_module, "stills.sandbox")
        settings = module.SandboxSettings(models_like=models_like)
        sandbox = await stack.enter_async_context(module.Sandbox(settings))
        credentials = Credentials(ProviderKey(SANDBOX_KEY_PREFIX), sandbox.base_url)
        # Links into the sandbox end with this process.
        return await _connect(stack, credentials, certificates=None, has_live_links=False)

    return DeferredProvider(SANDBOX.name, make)


async def _connect(
    stack: AsyncExitStack,
    credentials: Credentials,
    *,
    certificates: tuple[str, Path] | None,
    has_live_links: bool,
) -> Provider:
    module = await asyncio.to_thread(import_module, "stills.provider.dashscope")
    provider: Provider = await module.connect(
        credentials, certificates=certificates, has_live_links=has_live_links
    )
    stack.push_async_callback(provider.close)
    return provider


def use_none() -> Provider:
    """Reject every call, because there is no API key."""
    return DeferredProvider(NO_PROVIDER.name, _refuse)


async def _refuse(stack: AsyncExitStack) -> Provider:
    del stack
    raise MissingKey
