"""The application of one worker process, made in that process."""

import gc
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.types import ASGIApp

from stills.app import Stills
from stills.contract.errors import ConfigError
from stills.http.access_log import set_up_logs
from stills.http.app import Boards, Mount, make_app
from stills.http.settings import Settings
from stills.http.workers import hold, stop_with_parent

if TYPE_CHECKING:
    from stills.http.tracing import Tracing


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """How one worker serves; store, catalog and provider come from its environment."""

    settings: Settings
    sandbox: bool
    log_format: str
    traces: bool
    mounts: Mapping[str, Mount]
    boards: Boards | None = None


def make_worker(options: WorkerOptions) -> ASGIApp:
    """Make the application of this process."""
    stop_with_parent()
    if options.settings.metrics_folder is not None:
        hold(options.settings.metrics_folder)
    set_up_logs(options.log_format)
    stills = Stills.from_env(sandbox=options.sandbox, guard_references=True)
    app = make_app(stills, options.settings, mounts=options.mounts, boards=options.boards)
    # What is loaded by now stays until the end. Searching it for garbage again and again would
    # stop all responses for 70 ms each time.
    gc.collect()
    gc.freeze()
    return load_tracing()(app) if options.traces else app


def load_tracing() -> type["Tracing"]:
    """Import the tracing, which needs an extra.

    Raises:
        ConfigError: the extra is not installed.
    """
    try:
        from stills.http.tracing import Tracing  # noqa: PLC0415 - an extra
    except ModuleNotFoundError:
        raise ConfigError(
            "traces are enabled, but OpenTelemetry is not installed",
            field="OTEL_EXPORTER_OTLP_ENDPOINT",
            action="Run `pip install 'stills[otel]'`, or set OTEL_TRACES_EXPORTER=none.",
        ) from None
    return Tracing
