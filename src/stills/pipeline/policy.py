"""How long to wait, how often to try again."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Policy:
    """Waits and limits of a generation; all in seconds unless named otherwise."""

    deadline_seconds: float = 600.0
    answer_timeout_seconds: float = 300.0
    download_timeout_seconds: float = 60.0
    lease_seconds: float = 30.0
    poll_interval_seconds: float = 0.1
    backoff_base_seconds: float = 1.0
    backoff_cap_seconds: float = 60.0
    transient_resends: int = 2
    download_attempts: int = 3
