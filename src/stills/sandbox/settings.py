"""Settings of a sandbox."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class SandboxSettings:
    """Settings of a sandbox; `port=0` picks a free port."""

    host: str = "127.0.0.1"
    port: int = 0
    base_path: str = ""
    """What comes before every path but those of the control plane, such as `/dashscope`."""
    latency_seconds: float = 0.0
    """How long generating takes; refusals are immediate."""
    rate_limit_per_second: float | None = None
    url_ttl_seconds: float = 86400.0
    """Lifetime of a result URL; 24 hours on the real service."""
    task_life_seconds: float = 86400.0
    """How long the service answers for an asynchronous task; 24 hours on the real service."""
    retired_models: frozenset[str] = frozenset()
    models_like: Mapping[str, str] = field(default_factory=dict)
    """More model ids, each with the id of the known model whose rules it has."""
    rounds_sizes: bool = False
    """Whether it makes the nearest multiples of 16, as the API reference of May 2026 says."""
    ignores_size_with_references: bool = False
    """Whether an image with references is always 2048*2048, as one user reports of 3.0."""
