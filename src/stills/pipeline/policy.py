"""How long to wait, and how often to retry."""

from dataclasses import dataclass, replace
from typing import Self

from stills.contract.errors import InvalidRequest


@dataclass(frozen=True, slots=True)
class Policy:
    """Timeouts and retry limits of a generation.

    `transient_resends` limits retries of calls that certainly made no image, `unknown_resends` of
    calls that may have made one. Each of these can be billed, so by default none is retried.
    `uses_tasks` is False to call every model synchronously. A task is asked for at
    once, after `task_poll_seconds`, then less and less often, up to `task_poll_max_seconds`.

    Raises:
        InvalidRequest: `unknown_resends` is not a whole number of 0 or more.
    """

    deadline_seconds: float = 600.0
    answer_timeout_seconds: float = 300.0
    download_timeout_seconds: float = 60.0
    lease_seconds: float = 30.0
    poll_interval_seconds: float = 0.1
    backoff_base_seconds: float = 1.0
    backoff_cap_seconds: float = 60.0
    transient_resends: int = 2
    unknown_resends: int = 0
    download_attempts: int = 3
    uses_tasks: bool = True
    task_poll_seconds: float = 1.0
    task_poll_max_seconds: float = 5.0
    task_poll_timeout_seconds: float = 30.0

    def __post_init__(self) -> None:
        if type(self.unknown_resends) is not int or self.unknown_resends < 0:
            raise InvalidRequest(
                f"resend_unknown is {self.unknown_resends!r:.40}",
                field="resend_unknown",
                action="Set it to 0 or more: how often to retry calls of unknown outcome.",
            )

    def for_slow_calls(self) -> Self:
        """Return the policy with twice the time for calls that think or make several images.

        Alibaba advises a timeout of 600 s for them (Qwen-Image 3.0, November 2026).
        """
        return replace(
            self,
            deadline_seconds=2 * self.deadline_seconds,
            answer_timeout_seconds=2 * self.answer_timeout_seconds,
        )
