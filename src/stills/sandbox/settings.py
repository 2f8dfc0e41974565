"""How a sandbox behaves from start to stop."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SandboxSettings:
    """What a sandbox is started with; `port=0` takes any free one."""

    host: str = "127.0.0.1"
    port: int = 0
    latency_seconds: float = 0.0
    """How long making an image takes; refusals come at once."""
    rate_limit_per_second: float | None = None
    url_ttl_seconds: float = 86400.0
    """How long a result URL lives; the real service says 24 hours."""
    retired_models: frozenset[str] = frozenset()
