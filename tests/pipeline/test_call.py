"""When a call waits, goes out or is given up, on a simulated clock."""

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace

import pytest
from tests.support.simulated_clock import run

from stills.contract.errors import ServiceUnavailable
from stills.contract.generation import Claim, Generation, ProviderAnswer, ProviderRequest, Stage
from stills.contract.money import Caps
from stills.contract.request import ImageRequest
from stills.contract.size import Size
from stills.contract.takes import Take
from stills.pipeline.call import Call, Failed, Member, Stopped, call_when_free
from stills.pipeline.context import Deadline, Job, Options, Plan
from stills.pipeline.policy import Policy
from stills.pipeline.shared_call import Seat, SharedCall
from stills.ratelimit.limiter import StartTooLate

DEADLINE_SECONDS = 100.0
CALL_SECONDS = 5.0
CLAIM = Claim("key", "token", Generation("id", spec=None, stage=Stage.CLAIMED, created_at=0.0))
ANSWER = ProviderAnswer("https://oss.example/a.png", expires_at=1.0, request_id=None)
KITE = ImageRequest(prompt="a kite", size="512*512")
REQUEST = ProviderRequest("m", "a kite", None, Size(512, 512), 7, True, False)
REFUSED = Failed(ServiceUnavailable("try again"), wait_seconds=7.0, unused_start=None)


def now() -> float:
    return asyncio.get_running_loop().time()


class Service:
    """A service with its rate limiter and ledger; it answers after CALL_SECONDS."""

    account = "account"

    def __init__(self) -> None:
        self.sent_at: list[float] = []

    async def start(self, *, patience_seconds: float) -> float:
        assert patience_seconds > 0.0
        return 1.0

    async def record_sends(self, claims: Sequence[Claim], **_: object) -> Sequence[int]:
        return range(len(claims))

    async def send(self, *_: object, **__: object) -> ProviderAnswer:
        self.sent_at.append(now())
        await asyncio.sleep(CALL_SECONDS)
        return ANSWER

    async def call(self, failed: Failed | None = None, **options: object) -> Call:
        job = Job(
            request=None,
            model=None,
            options=Options("m", **options),
            ports=SimpleNamespace(catalog=self, provider=self),
            policy=Policy(uses_tasks=False),
            caps=Caps(),
            limiter=self,
            render=None,
            load_reference=None,
            deadline=Deadline(now() + DEADLINE_SECONDS),
            plan=Plan(spec=None, provider_request=None, size=None),
        )
        return await call_when_free(Member(job, CLAIM, REQUEST, failed))


@pytest.fixture
def service() -> Service:
    return Service()


async def stop_at(stop: asyncio.Event, at: float) -> None:
    await asyncio.sleep(at)
    stop.set()


def test_a_call_has_a_slot_until_it_ends(service: Service):
    """The next one starts then."""

    async def main() -> None:
        slots = asyncio.Semaphore(1)
        await asyncio.gather(*(service.call(slots=slots) for _ in range(3)))
        assert service.sent_at == [0.0, CALL_SECONDS, 2 * CALL_SECONDS]

    run(main)


def test_a_call_that_gets_no_slot_gives_up_in_time_for_a_retry(service: Service):
    """After half of the time left, with an error that says so; nothing is sent."""

    async def main() -> None:
        with pytest.raises(StartTooLate, match="timed out waiting for a free slot"):
            await service.call(slots=asyncio.Semaphore(0))
        assert (now(), service.sent_at) == (DEADLINE_SECONDS / 2, [])

    run(main)


@pytest.mark.parametrize("options", [{}, {"stop": asyncio.Event()}], ids=["alone", "stoppable"])
def test_a_retry_goes_out_after_its_wait(service: Service, options: dict[str, object]):
    """The service would refuse it earlier, so it takes no slot either."""

    async def main() -> None:
        slots = asyncio.Semaphore(1)
        retrying = asyncio.create_task(service.call(REFUSED, slots=slots, **options))
        await asyncio.sleep(REFUSED.wait_seconds / 2)
        assert not slots.locked()
        assert (await retrying).outcome == ANSWER
        assert service.sent_at == [REFUSED.wait_seconds]

    run(main)


@pytest.mark.parametrize("slots", [0, 1], ids=["waiting for a slot", "waiting to retry"])
def test_a_retry_that_is_stopped_ends_with_the_error_of_the_failed_call(
    service: Service, slots: int
):
    """At once; the slot is free for others."""

    async def main() -> None:
        stop, free = asyncio.Event(), asyncio.Semaphore(slots)
        stopping = asyncio.create_task(stop_at(stop, REFUSED.wait_seconds + 1 - 2 * slots))
        with pytest.raises(ServiceUnavailable) as caught:
            await service.call(REFUSED, slots=free, stop=stop)
        assert caught.value is REFUSED.error
        assert (now(), service.sent_at) == (REFUSED.wait_seconds + 1 - 2 * slots, [])
        assert free.locked() is (slots == 0)
        await stopping

    run(main)


def test_a_first_call_that_is_stopped_is_not_sent(service: Service):
    """Whether it waits, or could go out at this moment."""

    async def main() -> None:
        stop = asyncio.Event()
        stopping = asyncio.create_task(stop_at(stop, 3.0))
        with pytest.raises(Stopped):
            await service.call(slots=asyncio.Semaphore(0), stop=stop)
        assert now() == 3.0
        with pytest.raises(Stopped):
            await service.call(stop=stop)
        assert service.sent_at == []
        await stopping

    run(main)


def test_a_call_that_is_not_stopped_leaves_no_task_behind(service: Service):
    """A batch of thousands of images would have thousands of them."""

    async def main() -> None:
        await service.call(stop=asyncio.Event())
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(main)


def test_a_take_does_not_repeat_the_call_of_one_that_gave_up(service: Service):
    """It may be billed, so it waits until its own deadline."""

    async def main() -> None:
        shared = SharedCall(seats=2, images_max=2)
        takes = [Take(KITE, seat=Seat(shared, number)) for number in range(2)]
        first, second = [asyncio.create_task(service.call(take=take)) for take in takes]
        await asyncio.sleep(CALL_SECONDS / 2)
        first.cancel()
        takes[0].leave_seat()
        await asyncio.sleep(10 * CALL_SECONDS)
        assert (service.sent_at, second.done()) == ([0.0], False)
        second.cancel()
        await asyncio.wait([first, second])

    run(main)


def test_a_timeout_of_the_rate_limit_is_not_taken_for_a_stop(service: Service):
    """It is a bug, which must not be hidden."""

    async def time_out(**_: object) -> float:
        raise TimeoutError("the catalog's own")

    service.start = time_out

    async def main() -> None:
        with pytest.raises(TimeoutError, match="the catalog's own"):
            await service.call(stop=asyncio.Event())

    run(main)
