"""`stills doctor`: one screen that says what works here, and what to do about the rest."""

import argparse
import asyncio
import json
import os
import shutil
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from stills.app import Stills
from stills.assembly import find_service
from stills.cli.errors import exit_code
from stills.cli.places import catalog_place, project_place
from stills.cli.text import printable
from stills.config import Config, read_config
from stills.contract.errors import ModelNotServed, StillsError, StorageError, ToolError
from stills.contract.models import find_model

_PATIENCE_SECONDS = 15.0
_FREE_BYTES_MIN = 1_000_000_000
_BUILT_ON = date(2026, 11, 1)
_PACKAGES = ("dashscope", "pyvips", "pyvips-binary", "obstore", "mcp", "psycopg", "dbos")


@dataclass(frozen=True, slots=True)
class Check:
    """What was found: `state` is ok, warning or failed, `action` what to do."""

    name: str
    state: str
    found: str
    action: str = ""
    code: int = 0


def run(options: argparse.Namespace) -> int:
    """Run the command; the exit code is that of the first check that failed."""
    config = read_config()
    checks = asyncio.run(_check_all(config, online=options.online))
    if options.json:
        print(json.dumps([asdict(check) for check in checks], indent=2))
    else:
        for check in checks:
            print(printable(f"{check.state:8} {check.name:9} {check.found}"))
            if check.action:
                print(printable(f"{'':18} {check.action}"))
    return next((check.code for check in checks if check.code), 0)


async def _check_all(config: Config, *, online: bool) -> list[Check]:
    checks = [_versions(), _clock(), _project(config), _key(config), _model(config)]
    async with Stills.from_catalog() as stills:
        catalog = await _try("catalog", lambda: _catalog(config, stills))
        has_catalog = catalog.state == "ok" and _has_catalog(config)
        store = await _try("store", lambda: _store(config, stills, has_catalog=has_catalog))
        checks += [catalog, store]
    checks += [_spool(config), _ffmpeg(), _font(), _extras()]
    if online:
        checks.append(await _try("service", lambda: _service(config)))
    return checks


async def _try(name: str, check: Callable[[], Awaitable[Check]]) -> Check:
    """Carry out a check that may fail, or never end."""
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            return await check()
    except TimeoutError:
        return Check(
            name, "failed", f"no answer within {_PATIENCE_SECONDS:g} s", "Check the network.", 7
        )
    except StillsError as error:
        return _failed(name, error)


def _failed(name: str, error: StillsError) -> Check:
    return Check(name, "failed", error.message, error.action, exit_code(error))


def _versions() -> Check:
    python = ".".join(map(str, sys.version_info[:3]))
    installed = [f"{name} {_version(name)}" for name in _PACKAGES if _version(name)]
    ours = f"stills {_version('stills')}, Python {python}"
    return Check("versions", "ok", f"{ours} on {sys.platform}, {', '.join(installed)}")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _clock() -> Check:
    now = datetime.now(UTC)
    shown = f"{now:%Y-%m-%d %H:%M:%S} UTC"
    if now.date() < _BUILT_ON:
        return Check("clock", "warning", f"{shown} is in the past", "Set the clock.")
    return Check("clock", "ok", shown)


def _project(config: Config) -> Check:
    project = config.project
    found = project_place(project)
    if not project.unused:
        return Check("project", "ok", found)
    return Check(
        "project",
        "warning",
        f"{found}; not used: {', '.join(str(one.path) for one in project.unused)}",
        "`stills config` says why. To use another folder, set OUTPUT_DIR.",
    )


def _key(config: Config) -> Check:
    try:
        service = find_service(config)
    except StillsError as error:
        return _failed("key", error)
    return Check("key", "ok", f"from {service.key_place}, for {service.base_url}")


def _model(config: Config) -> Check:
    try:
        model = find_model(config.model, config.models)
    except StillsError as error:
        return _failed("model", error)
    if model.retired_on is None or model.retired_on > datetime.now(UTC).date():
        return Check("model", "ok", model.id)
    other = f" Its successor is {model.successor}." if model.successor else ""
    return Check(
        "model",
        "warning",
        f"{model.id} was retired on {model.retired_on}, according to second-hand notices",
        f"Choose another with STILLS_MODEL or --model.{other}",
    )


async def _catalog(config: Config, stills: Stills) -> Check:
    place = catalog_place(config)
    if isinstance(config.catalog, Path) and not _has_catalog(config):
        there = _nearest(config.catalog)
        if not _is_writable(there):
            return _not_writable("catalog", there)
        return Check("catalog", "ok", f"none yet; the first image creates {place}")
    await stills.maintenance.check_catalog()
    images = len(await stills.images.list(limit=1))
    return Check("catalog", "ok", f"{place}{'' if images else ', without images'}")


def _has_catalog(config: Config) -> bool:
    return not isinstance(config.catalog, Path) or config.catalog.exists()


async def _store(config: Config, stills: Stills, *, has_catalog: bool) -> Check:
    is_bucket = "://" in config.store
    if has_catalog:
        await stills.maintenance.check_ready()
    elif is_bucket:  # a check of the marker would create a catalog
        await stills.maintenance.check_store()
    return Check("store", "ok", config.store) if is_bucket else _space("store", Path(config.store))


def _spool(config: Config) -> Check:
    return _space("spool", config.spool)


def _space(name: str, folder: Path) -> Check:
    """Check the free space where a folder is, or will be."""
    try:
        folder = folder.absolute()
        there = _nearest(folder)
        if not _is_writable(there):
            return _not_writable(name, there)
        free = shutil.disk_usage(there).free
    except OSError:
        return _not_writable(name, folder)
    shown = f"{folder}, {free / 1e9:.1f} GB free"
    if free < _FREE_BYTES_MIN:
        return Check(name, "warning", shown, "Free up space: an image takes about 2.6 MB.")
    return Check(name, "ok", shown)


def _nearest(path: Path) -> Path:
    """Return a path, or the one above it in which it will be created."""
    path = path.absolute()
    return next(one for one in (path, *path.parents) if one.exists())


def _is_writable(folder: Path) -> bool:
    return folder.is_dir() and os.access(folder, os.W_OK)


def _not_writable(name: str, folder: Path) -> Check:
    action = (
        "Make it writable, or set STILLS_SPOOL."
        if name == "spool"
        else "Work in a folder that you can write to, or set OUTPUT_DIR to one."
    )
    return Check(name, "failed", f"{folder} can't be written", action, exit_code(StorageError()))


def _ffmpeg() -> Check:
    found = [shutil.which(name) for name in ("ffmpeg", "ffprobe")]
    if all(found):
        return Check("ffmpeg", "ok", str(found[0]))
    return Check("ffmpeg", "warning", "not found", "Install it for `stills animatic`.")


def _font() -> Check:
    if find_spec("noto_cjk_sans_jp_regular") is None:
        error = ToolError()
        return Check(
            "font", "failed", "Noto Sans CJK is missing", "Install Stills again.", exit_code(error)
        )
    return Check("font", "ok", "Noto Sans CJK, for the sandbox's placeholders")


def _extras() -> Check:
    extras = {
        "postgres": "psycopg",
        "jobs": "dbos",
        "handover": "opentimelineio",
        "otel": "opentelemetry.sdk",
        "socks": "aiohttp_socks",
    }
    installed = [name for name, module in extras.items() if _can_import(module)]
    missing = [name for name in extras if name not in installed]
    shown = ", ".join(installed) or "none installed"
    action = f"pip install 'stills[{','.join(missing)}]' adds the others." if missing else ""
    return Check("extras", "ok", shown, action)


def _can_import(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


async def _service(config: Config) -> Check:
    async with Stills.from_env() as stills:
        served = await stills.models.list_served()
    if config.model in served:
        return Check("service", "ok", f"lists {len(served)} models, {config.model} among them")
    return Check(
        "service",
        "failed",
        f"does not list {config.model}",
        "Choose another model: `stills models --check` shows those that it lists.",
        exit_code(ModelNotServed()),
    )
