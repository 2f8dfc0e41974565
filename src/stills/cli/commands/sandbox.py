"""`stills sandbox`: a simulated DashScope service for other programs."""

import argparse
import asyncio
import math
import re

from stills.cli.open_files import raise_open_files
from stills.config import read_config
from stills.contract.errors import ConfigError
from stills.contract.models import MODELS, find_model
from stills.sandbox import Sandbox, SandboxSettings, serve

_BASE_PATH = re.compile(r"(/\w[\w.~-]*)*", re.ASCII)


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    _check(options)
    settings = SandboxSettings(
        host=options.host,
        port=options.port,
        base_path=_read_base_path(options.base_path),
        latency_seconds=options.latency,
        rate_limit_per_second=options.rate,
        url_ttl_seconds=options.link_life,
        retired_models=frozenset(options.retired),
        models_like=dict(map(_read_likeness, options.model_like)),
        rounds_sizes=options.round_sizes,
        ignores_size_with_references=options.ignore_size_with_references,
    )
    raise_open_files()
    try:
        asyncio.run(serve(settings, announce))
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(
            f"can't listen on {options.host} port {options.port}: {reason}",
            field="port",
            action="Choose another --port or --host, or stop the program that uses it.",
        ) from None
    except KeyboardInterrupt:
        pass  # the user stops it
    return 0


def _check(options: argparse.Namespace) -> None:
    rules = {
        "latency": 0 <= options.latency < math.inf,
        "rate": options.rate is None or 0 < options.rate < math.inf,
        "link-life": 0 < options.link_life < math.inf,
    }
    for name, is_sound in rules.items():
        if not is_sound:
            raise ConfigError(
                f"--{name} is out of range",
                field=name,
                action="Give a number above 0; --latency also takes 0.",
            )
    models = read_config().models
    for model in options.retired:
        find_model(model, models)


def _read_base_path(written: str) -> str:
    """Read a path such as `/dashscope`, with or without slashes around it."""
    path = written.strip("/")
    path = f"/{path}" if path else ""
    if not _BASE_PATH.fullmatch(path):
        raise ConfigError(
            f"--base-path {written[:80]!r} is not a path",
            field="base-path",
            action="Write it such as /dashscope.",
        )
    return path


def _read_likeness(written: str) -> tuple[str, str]:
    """Read `ID=KNOWN`."""
    new, equals, known = (part.strip() for part in written.partition("="))
    if not new or not equals or new in MODELS or known not in MODELS:
        raise ConfigError(
            f"--model-like {written[:80]!r} is not a new id and a known one",
            field="model-like",
            action=(
                f"Write it such as qwen-image-4.0=qwen-image-3.0; known are {', '.join(MODELS)}."
            ),
        )
    return new, known


def announce(sandbox: Sandbox) -> None:
    """Print how to connect to the sandbox."""
    print(f"export DASHSCOPE_HTTP_BASE_URL={sandbox.base_url}")
    print("export DASHSCOPE_API_KEY=sk-sandbox")
    print(f"# faults and ledger: {sandbox.control_url}", flush=True)
