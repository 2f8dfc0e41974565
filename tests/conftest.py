"""Stills on a running sandbox, put together from explicit parts."""

import secrets
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import hypothesis
import pytest
from tests.support.postgres_server import PostgresServer, run_postgres

from stills.app import Stills
from stills.catalog import SqliteCatalog
from stills.contract.postgres_url import PostgresUrl
from stills.contract.rate_limit import RateLimit
from stills.imaging import VipsImaging
from stills.jobs import DbosJobs
from stills.pipeline.policy import Policy
from stills.pipeline.ports import Ports
from stills.provider.credentials import Credentials, ProviderKey
from stills.provider.dashscope import connect
from stills.provider.tokenizer import QwenTokenizer
from stills.sandbox import Sandbox
from stills.store import open_store
from stills.web import OwnerDownload

# A slow machine must not fail a test; a failure prints how to reproduce it.
hypothesis.settings.register_profile(
    "stills", parent=hypothesis.settings(), deadline=None, print_blob=True
)
hypothesis.settings.load_profile("stills")

FAST = Policy(
    deadline_seconds=20.0,
    answer_timeout_seconds=5.0,
    download_timeout_seconds=5.0,
    lease_seconds=5.0,
    poll_interval_seconds=0.02,
    backoff_base_seconds=0.02,
    backoff_cap_seconds=0.2,
    task_poll_seconds=0.02,
    task_poll_max_seconds=0.1,
    task_poll_timeout_seconds=5.0,
)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A Postgres server for all tests of this process."""
    with run_postgres() as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[PostgresUrl]:
    """An empty database."""
    name = f"test_{secrets.token_hex(4)}"
    postgres_server.run(f"CREATE DATABASE {name}")
    yield postgres_server.url(name)
    postgres_server.run(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def fast() -> Policy:
    """A policy with short waits."""
    return FAST


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """A sandbox on a free port."""
    async with Sandbox() as running:
        yield running


@pytest.fixture
async def make_stills(tmp_path: Path, sandbox: Sandbox) -> AsyncIterator[Callable[..., object]]:
    """Make any number of Stills on one sandbox, with everything they share in `tmp_path`."""
    async with AsyncExitStack() as stack:

        async def make(
            *,
            policy: Policy = FAST,
            key: str = "sk-sandbox",
            credentials: Credentials | None = None,
            rate_limit: RateLimit | None = None,
            price_usd: float | None = None,
            **parts: object,
        ) -> Stills:
            here = Credentials(ProviderKey(key), sandbox.base_url)
            ports = {
                "provider": parts.get("provider") or await connect(credentials or here),
                "catalog": SqliteCatalog(tmp_path / "stills.db"),
                "store": open_store(str(tmp_path / "images")),
                "imaging": VipsImaging(),
                "spool": open_store(str(tmp_path / "spool")),
                "tokenizer": QwenTokenizer(),
                "downloader": OwnerDownload(),
            } | parts
            stills = Stills(
                Ports(**ports),
                policy=policy,
                rate_limit=rate_limit,
                price_usd=price_usd,
                open_jobs=lambda: DbosJobs(tmp_path / "jobs.db"),
            )
            return await stack.enter_async_context(stills)

        yield make


@pytest.fixture
async def stills(make_stills: Callable[..., object]) -> Stills:
    """One Stills, with short waits."""
    return await make_stills()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory) -> tuple[Path, Path]:
    """A self-signed certificate for two names and this machine, and its key."""
    folder = tmp_path_factory.mktemp("certificate")
    made, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=example", "-keyout", str(key), "-out", str(made)),
            *("-addext", "subjectAltName=DNS:images.example,DNS:other.example,IP:127.0.0.1"),
        ],
        check=True,
        capture_output=True,
    )
    return made, key
