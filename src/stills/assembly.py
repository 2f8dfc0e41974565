"""The adapters, made as the configuration says; the one place that knows them all."""

import asyncio
from contextlib import AsyncExitStack
from importlib import import_module

from stills.catalog import SqliteCatalog
from stills.config import Config
from stills.contract.errors import ConfigError, MissingKey
from stills.contract.forked import begin_use
from stills.contract.ports.downloader import Downloader
from stills.contract.ports.provider import Provider
from stills.contract.ports.store import Store
from stills.contract.providers import NO_PROVIDER, SANDBOX
from stills.imaging import VipsImaging
from stills.pipeline.ports import Ports
from stills.provider.credentials import (
    SANDBOX_KEY_PREFIX,
    Credentials,
    ProviderKey,
    find_credentials,
)
from stills.provider.deferred import DeferredProvider
from stills.store import open_store


def plug_together(config: Config, provider: Provider, downloader: Downloader | None) -> Ports:
    """Make every adapter but those that the caller chose.

    Raises:
        ConfigError: the store's location is none.
    """
    return Ports(
        provider=provider,
        catalog=SqliteCatalog(config.catalog),
        store=_store(config.store),
        imaging=VipsImaging(),
        spool=open_store(str(config.spool)),
        downloader=downloader,
    )


def guard_downloads() -> Downloader:
    """Download what strangers name, from the open internet alone."""
    downloader: Downloader = import_module("stills.web").GuardedDownload()
    return downloader


def _store(location: str) -> Store:
    try:
        return open_store(location)
    except ValueError as error:
        raise ConfigError(
            f"STILLS_STORE can't be used: {error}",
            field="STILLS_STORE",
            action="Set it to a folder, or a URL such as s3://bucket/prefix.",
        ) from None


def use_dashscope(config: Config) -> Provider:
    """Send to the service, or to a sandbox that the base URL leads to.

    Raises:
        MissingKey: no key was given.
        AccessError: the key or the base URL can't be used.
    """
    credentials = find_credentials(
        key=config.api_key,
        profile=config.profile,
        credentials_file=config.credentials_file,
        base_url=config.base_url,
    )

    async def make(stack: AsyncExitStack) -> Provider:
        return await _connect(stack, credentials, has_live_links=True)

    return DeferredProvider(credentials.provider.name, make)


def embed_sandbox() -> Provider:
    """Send to a sandbox inside this process, started at the first send."""

    async def make(stack: AsyncExitStack) -> Provider:
        begin_use("libvips")  # it draws with that
        module = await asyncio.to_thread(import_module, "stills.sandbox")
        sandbox = await stack.enter_async_context(module.Sandbox(module.SandboxSettings()))
        credentials = Credentials(ProviderKey(SANDBOX_KEY_PREFIX), sandbox.base_url)
        # The sandbox ends with this process, and so do its links.
        return await _connect(stack, credentials, has_live_links=False)

    return DeferredProvider(SANDBOX.name, make)


async def _connect(
    stack: AsyncExitStack, credentials: Credentials, *, has_live_links: bool
) -> Provider:
    module = await asyncio.to_thread(import_module, "stills.provider.dashscope")
    provider: Provider = await module.connect(credentials, has_live_links=has_live_links)
    stack.push_async_callback(provider.close)
    return provider


def use_none() -> Provider:
    """Send nothing: there is no key."""
    return DeferredProvider(NO_PROVIDER.name, _refuse)


async def _refuse(stack: AsyncExitStack) -> Provider:
    del stack
    raise MissingKey
