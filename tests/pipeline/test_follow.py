"""Follow: how often the service is asked for a task."""

from types import SimpleNamespace

import pytest
from tests.support.catalog_steps import spec

from stills.contract.errors import ContentRefused
from stills.contract.generation import Generation, Stage, Task
from stills.pipeline import follow
from stills.pipeline.policy import Policy

GENERATION = Generation("0123456789ab", spec("a"), Stage.SENT, 0.0)
POLICY = Policy(task_poll_seconds=1.0, task_poll_max_seconds=10.0)


async def test_the_pauses_between_queries_grow_up_to_a_maximum(monkeypatch: pytest.MonkeyPatch):
    """Most tasks end soon, and a long one must not use up the limit of queries."""
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    async def ask_task(*_: object, **__: object) -> ContentRefused | None:
        return ContentRefused() if len(pauses) == 20 else None

    monkeypatch.setattr(follow, "asyncio", SimpleNamespace(sleep=pause))
    ports = SimpleNamespace(provider=SimpleNamespace(ask_task=ask_task))
    outcome = await follow.wait_for_end(ports, POLICY, GENERATION, Task("t-1", 1))
    assert isinstance(outcome, ContentRefused)
    assert pauses[0] <= 2.0
    assert all(pause <= 20.0 for pause in pauses)
    assert min(pauses[-5:]) >= 5.0
