"""One request, end to end: real SDK, real HTTP, real SQLite, real files."""

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from tests.support.recovery import refusing
from tests.support.stored_file import dimensions, file_of

from stills.app import Stills
from stills.contract.errors import (
    AnswerTimeout,
    Billing,
    DamagedImage,
    DeadlineExceeded,
    LinkDead,
    StoreRefused,
)
from stills.contract.generation import Stage
from stills.contract.rate_limit import RateLimit
from stills.contract.request import ImageRequest
from stills.contract.size import Size
from stills.imaging import VipsImaging
from stills.pipeline.policy import Policy
from stills.provider.dashscope import DashScope
from stills.sandbox import Fault, FaultKind, Sandbox

KITE = ImageRequest(prompt="a red kite over a harbour", size="1024*1024", seed=1234)


async def test_an_image_of_the_requested_size_is_stored(stills: Stills, sandbox: Sandbox):
    """The model has no 1024*1024, so it is planned at 1328*1328 and rendered."""
    result = await stills.generate(KITE)
    assert (result.width, result.height, result.seed) == (1024, 1024, 1234)
    assert dimensions(file_of(result)) == (1024, 1024)
    assert (result.cached, result.cost_usd, result.native_size) == (False, 0.075, "1328*1328")
    assert [send.size for send in sandbox.ledger.generations] == ["1328*1328"]


async def test_the_deadline_covers_rendering(
    make_stills: Callable[..., object], sandbox: Sandbox, fast: Policy
):
    """The error says that the image is stored; a retry is free, with its own deadline."""

    class Stuck(VipsImaging):
        async def fit(self, *_: object) -> bytes:
            return await asyncio.Event().wait()

    stills = await make_stills(policy=replace(fast, deadline_seconds=3.0), imaging=Stuck())
    for billing in (Billing.BILLED, Billing.NONE):
        with pytest.raises(DeadlineExceeded, match="the image is stored, but was") as late:
            await stills.generate(KITE)
        assert late.value.billing is billing
        assert late.value.action.startswith("Retry, which is free")
    await stills.close()
    assert (await (await make_stills()).generate(KITE)).cached
    assert sandbox.ledger.billed_images == 1


async def test_a_repeated_request_is_answered_from_the_catalog(stills: Stills, sandbox: Sandbox):
    """The same image, free of charge."""
    first = await stills.generate(KITE)
    second = await stills.generate(KITE)
    assert second == replace(first, cached=True, cost_usd=0.0, notes=second.notes)
    assert set(second.notes) < set(first.notes)  # only a new image is worth a warning
    assert sandbox.ledger.billed_images == 1


async def test_a_stored_image_is_not_written_again(stills: Stills):
    """Its file stays unchanged."""
    before = file_of(await stills.generate(KITE)).stat()
    after = file_of(await stills.generate(KITE)).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


async def test_a_finished_request_leaves_nothing_in_memory(stills: Stills):
    """A service runs for months."""
    await asyncio.gather(stills.generate(KITE), stills.generate(KITE))
    assert stills.under_way == 0


async def test_sizes_of_one_native_size_share_one_paid_generation(stills: Stills, sandbox: Sandbox):
    """The same prompt and seed at 1024*1024 and 512*512 are billed once."""
    large = await stills.generate(KITE)
    small = await stills.generate(replace(KITE, size="512*512"))
    native = await stills.generate(replace(KITE, size="1328*1328"))
    assert sandbox.ledger.billed_images == 1
    assert [dimensions(file_of(each)) for each in (large, small, native)] == [
        (1024, 1024),
        (512, 512),
        (1328, 1328),
    ]


async def test_an_image_at_native_size_is_not_changed(stills: Stills, sandbox: Sandbox):
    """Its bytes are the service's own."""
    result = await stills.generate(replace(KITE, size="1328*1328"))
    shown = await stills.images.show(result.id)
    digest = hashlib.sha256(file_of(result).read_bytes()).hexdigest()
    assert digest == shown.image.generation.sha256 == shown.image.rendition.sha256
    assert not [note for note in result.notes if "caled" in note]
    assert sandbox.ledger.billed_images == 1


async def test_without_a_seed_a_random_one_is_sent_and_returned(stills: Stills, sandbox: Sandbox):
    """Repeating the request, with or without that seed, returns the same image."""
    unseeded = replace(KITE, seed=None)
    first = await stills.generate(unseeded)
    assert sandbox.ledger.generations[0].seed == first.seed
    assert (await stills.generate(unseeded)).id == first.id
    assert (await stills.generate(replace(KITE, seed=first.seed))).id == first.id
    assert sandbox.ledger.billed_images == 1


async def test_fresh_generates_the_image_that_answers_from_then_on(
    stills: Stills, sandbox: Sandbox
):
    """The older image can still be found by its seed."""
    unseeded = replace(KITE, seed=None)
    first = await stills.generate(unseeded)
    second = await stills.generate(unseeded, fresh=True)
    assert second.id != first.id
    assert (await stills.generate(unseeded)).id == second.id
    assert (await stills.generate(replace(KITE, seed=first.seed))).id == first.id
    assert sandbox.ledger.billed_images == 2


async def test_identical_requests_at_once_are_billed_once(
    make_stills: Callable[..., object], sandbox: Sandbox
):
    """In one process and over two connections to a catalog; only one result has a cost."""
    one, two = await make_stills(), await make_stills()
    results = await asyncio.gather(*(each.generate(KITE) for each in [one, two] * 25))
    assert sandbox.ledger.billed_images == 1
    assert len({result.image_url for result in results}) == 1
    assert sum(result.cost_usd for result in results) == 0.075
    assert sum(not result.cached for result in results) == 1


async def test_stages_are_reported_in_order(stills: Stills):
    """For spinners and event streams; an answer from the catalog has no stages."""
    stages: list[Stage] = []
    await stills.generate(KITE, on_stage=stages.append)
    assert stages == [Stage.CLAIMED, Stage.SENT, Stage.ANSWERED, Stage.KEPT]
    await stills.generate(KITE, on_stage=stages.append)
    assert len(stages) == 4


async def test_an_image_whose_caller_has_left_is_rendered_and_listed(
    stills: Stills, sandbox: Sandbox
):
    """In the requested size."""
    sent = asyncio.Event()
    sandbox.set_faults(Fault(FaultKind.SLOW, delay_seconds=0.2))

    def follow(stage: Stage) -> None:
        if stage is Stage.SENT:
            sent.set()

    pending = asyncio.create_task(stills.generate(KITE, on_stage=follow))
    await asyncio.wait_for(sent.wait(), 20)
    pending.cancel()
    await asyncio.wait({pending})
    assert pending.cancelled()
    await stills.drain()
    (image,) = await stills.images.list()
    assert str(image.rendition.size) == KITE.size
    assert (await stills.generate(KITE)).cached
    assert sandbox.ledger.billed_images == 1


async def test_draining_waits_for_a_rendition_without_callers(
    make_stills: Callable[..., object],
):
    """A shutdown does not interrupt a file that is being written."""
    fitting, finish = asyncio.Event(), asyncio.Event()

    class Slow(VipsImaging):
        async def fit(self, png: bytes, size: Size) -> bytes:
            fitting.set()
            await finish.wait()
            return await super().fit(png, size)

    finish.set()
    stills = await make_stills(imaging=Slow())
    rendition = file_of(await stills.generate(KITE))
    rendition.unlink()
    fitting.clear()
    finish.clear()
    (image,) = await stills.images.list()
    reading = asyncio.create_task(stills.images.read(image))
    await fitting.wait()
    reading.cancel()
    draining = asyncio.create_task(stills.drain())
    await asyncio.sleep(0.01)
    assert not draining.done()
    finish.set()
    await draining
    assert rendition.exists()


async def test_cancelling_before_the_call_costs_nothing(
    make_stills: Callable[..., object], sandbox: Sandbox
):
    """It waited for its start; the claim is released."""
    stills = await make_stills(rate_limit=RateLimit(0.2))
    await stills.generate(KITE)
    pending = asyncio.create_task(stills.generate(replace(KITE, seed=2)))
    await asyncio.sleep(0.2)
    pending.cancel()
    await asyncio.wait({pending})
    await stills.drain()
    assert len(sandbox.ledger.generations) == 1


@pytest.mark.parametrize(
    "kind", [FaultKind.TRUNCATED_PNG, FaultKind.CORRUPT_PNG, FaultKind.DROP_DOWNLOAD]
)
async def test_a_broken_download_is_retried_free_of_charge(
    stills: Stills, sandbox: Sandbox, kind: FaultKind
):
    """One bill, one intact image."""
    sandbox.set_faults(Fault(kind))
    result = await stills.generate(KITE)
    assert dimensions(file_of(result)) == (1024, 1024)
    assert sandbox.ledger.billed_images == 1


@pytest.mark.parametrize(
    "kind",
    [
        FaultKind.TRUNCATED_PNG,
        FaultKind.CORRUPT_PNG,
        FaultKind.NOT_A_PNG,
    ],
)
async def test_a_damaged_image_is_not_stored(
    stills: Stills, sandbox: Sandbox, tmp_path: Path, kind: FaultKind
):
    """It is set aside for inspection; a retry downloads it, and does not pay again."""
    sandbox.set_faults(Fault(kind, times=None))
    with pytest.raises(DamagedImage) as caught:
        await stills.generate(KITE)
    assert "set aside at file://" in caught.value.action
    assert caught.value.billing is Billing.BILLED
    assert list(tmp_path.glob("images/*.png")) == []
    assert await stills.images.list() == []

    sandbox.set_faults()
    result = await stills.generate(KITE)
    assert result.cached
    assert result.cost_usd == 0.0
    assert sandbox.ledger.billed_images == 1


async def test_a_dead_link_costs_nothing_more(stills: Stills, sandbox: Sandbox):
    """A retry downloads the image once the link works again."""
    sandbox.set_faults(Fault(FaultKind.DEAD_URL, times=None))
    with pytest.raises(LinkDead) as caught:
        await stills.generate(KITE)
    assert caught.value.billing is Billing.BILLED
    assert caught.value.request_id
    sandbox.set_faults()
    assert (await stills.generate(KITE)).cached
    assert sandbox.ledger.billed_images == 1


async def test_an_image_that_the_store_refuses_is_spooled_and_stored_on_retry(
    make_stills: Callable[..., object], sandbox: Sandbox, tmp_path: Path
):
    """The error says where the paid image is; finishing the job is free."""
    broken = await make_stills(store=refusing(tmp_path, "images"))
    with pytest.raises(StoreRefused, match=r"safe at file://.*spool") as caught:
        await broken.generate(KITE)
    assert caught.value.billing is Billing.BILLED

    repaired = await make_stills()
    result = await repaired.generate(KITE)
    assert result.cached
    assert dimensions(file_of(result)) == (1024, 1024)
    assert sandbox.ledger.billed_images == 1
    assert [path for path in (tmp_path / "spool").rglob("*") if path.is_file()] == []


@dataclass
class HeldCall:
    """A call that is sent once its answer may come."""

    sent: asyncio.Event = field(default_factory=asyncio.Event)
    answer: asyncio.Event = field(default_factory=asyncio.Event)


@pytest.fixture
def held_call(monkeypatch: pytest.MonkeyPatch) -> HeldCall:
    """Hold all calls back until the test lets them go."""
    held, send = HeldCall(), DashScope.send

    async def send_later(*arguments: object, **options: object) -> object:
        held.sent.set()
        await held.answer.wait()
        return await send(*arguments, **options)

    monkeypatch.setattr(DashScope, "send", send_later)
    return held


async def test_a_deadline_ends_a_wait_for_another_worker(
    make_stills: Callable[..., object], sandbox: Sandbox, fast: Policy, held_call: HeldCall
):
    """The other worker is not disturbed."""
    hasty = await make_stills(policy=replace(fast, deadline_seconds=0.3))
    working = asyncio.create_task((await make_stills()).generate(KITE))
    await held_call.sent.wait()
    with pytest.raises(DeadlineExceeded, match=r"0\.3 s"):
        await hasty.generate(KITE)
    held_call.answer.set()
    assert not (await working).cached
    assert sandbox.ledger.billed_images == 1


async def test_a_later_caller_waits_until_its_own_deadline(
    make_stills: Callable[..., object], sandbox: Sandbox, fast: Policy, held_call: HeldCall
):
    """The first gives up at its own; the call goes on and is paid once."""
    stills = await make_stills(policy=replace(fast, deadline_seconds=4.0))
    first = asyncio.create_task(stills.generate(KITE))
    await asyncio.sleep(3.0)
    second = asyncio.create_task(stills.generate(KITE))
    with pytest.raises(DeadlineExceeded):
        await first
    held_call.answer.set()
    assert (await second).id
    assert sandbox.ledger.billed_images == 1


@pytest.mark.parametrize(("thinks", "finishes"), [(None, True), (False, False)])
async def test_a_model_that_thinks_has_twice_the_time(
    make_stills: Callable[..., object],
    sandbox: Sandbox,
    fast: Policy,
    thinks: bool | None,
    finishes: bool,
):
    """Version 3.0 thinks by default, for minutes."""
    sandbox.set_faults(Fault(FaultKind.SLOW, delay_seconds=4.0))
    stills = await make_stills(policy=replace(fast, answer_timeout_seconds=3.0))
    request = replace(KITE, enable_thinking=thinks)
    if finishes:
        assert await stills.generate(request, model="qwen-image-3.0")
        return
    with pytest.raises(AnswerTimeout):
        await stills.generate(request, model="qwen-image-3.0")
