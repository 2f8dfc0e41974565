"""`stills sandbox`: the DashScope look-alike for other programs."""

import argparse
import asyncio

from stills.sandbox import Sandbox, SandboxSettings, serve


def run(options: argparse.Namespace) -> int:
    """Carry out the command."""
    settings = SandboxSettings(
        host=options.host,
        port=options.port,
        latency_seconds=options.latency,
        rate_limit_per_second=options.rate,
        url_ttl_seconds=options.link_life,
        retired_models=frozenset(options.retired),
    )
    asyncio.run(serve(settings, announce))
    return 0


def announce(sandbox: Sandbox) -> None:
    """Say how to talk to the sandbox."""
    print(f"export DASHSCOPE_HTTP_BASE_URL={sandbox.base_url}")
    print("export DASHSCOPE_API_KEY=sk-sandbox")
    print(f"# faults and ledger: {sandbox.control_url}", flush=True)
