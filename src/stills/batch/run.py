"""The run of a batch: each shot is generated once the shots it needs are done.

Shots go through `Stills.generate_many`, which takes the next one only when it has room. So rows are
read as they are needed, and a list may have any length.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing

from stills.app import Stills
from stills.batch.cost_cap import CostCap
from stills.batch.early_stop import EarlyStop
from stills.batch.image_files import file_in
from stills.batch.output import RunOutput
from stills.batch.preflight import BatchOptions
from stills.batch.references import Files, with_references
from stills.batch.run_plan import RunPlan
from stills.contract.access import BudgetOwner
from stills.contract.errors import (
    Billing,
    BudgetExceeded,
    InvalidReference,
    StillsError,
)
from stills.contract.generation import GenerationSpec, Stage
from stills.contract.money import format_usd, unknown_price
from stills.contract.outcome import RequestOutcome
from stills.contract.request import ImageRequest
from stills.queue_reader import read_waiting
from stills.shotlist.dependencies import Dependencies, Unblocked
from stills.shotlist.shots import Outcome, Shot

_ROWS_AT_A_TIME = 100


class _Schedule:
    """The shots that can start, and those in `generate_many` by their index there."""

    def __init__(self) -> None:
        self.ready: deque[Shot] = deque()
        self.running: dict[int, Shot] = {}
        self.stages: dict[int, Stage] = {}
        self.started = 0
        self._changed = asyncio.Event()

    async def wait(self) -> None:
        """Wait until a shot has ended or can start."""
        self._changed.clear()
        await self._changed.wait()

    def wake(self) -> None:
        self._changed.set()

    def start(self, shot: Shot) -> None:
        self.running[self.started] = shot
        self.started += 1

    def set_stage(self, index: int, stage: Stage) -> None:
        self.stages[index] = stage

    def end(self, index: int) -> Shot:
        self.stages.pop(index, None)
        return self.running.pop(index)

    def unfinished(self) -> Iterator[Outcome]:
        """Yield the shots that have not ended, each with what it may have cost."""
        for shot in self.ready:
            yield Outcome(shot)
        for index, shot in self.running.items():
            yield Outcome(shot, billing=self.stages.get(index, Stage.CLAIMED).billing)


class Run:
    """One run of a batch. Once `stop` is set, only requests that were sent are finished.

    The run sets it itself if every further shot would fail; `early_stop` has the reason. Calls
    count towards `payer`, and its budget.
    """

    def __init__(
        self,
        stills: Stills,
        batch: RunPlan,
        output: RunOutput,
        stop: asyncio.Event,
        *,
        payer: BudgetOwner | None = None,
    ) -> None:
        self.early_stop = EarlyStop()
        self._stills = stills
        self._batch = batch
        self._options = batch.options
        self._output = output
        self._stop = stop
        self._payer = payer
        self._cost_cap = CostCap(self._options.max_cost_usd)
        self._rows = batch.shots()
        self._rows_left = True
        self._dependencies = Dependencies(batch.needed, left_out=batch.left_out)
        self._files: Files = {}
        self._positions: dict[str, int] = {}
        self._read = 0
        self._unfinished = 0
        self._schedule = _Schedule()
        try:
            for position, entry in batch.kept():
                output.keep(position, entry)
        except StillsError:
            output.abandon()
            raise

    async def generate(self) -> None:
        """Generate all shots.

        Raises:
            OutputRefused: the folder can't be written.
        """
        await self._generate_all()
        if not self._stop.is_set():
            for shot, because in self._dependencies.stranded():
                self._end(Outcome(shot, error=_missing_need(because)))

    def add_pending(self) -> None:
        """Add the shots that a stopped run did not finish; reads the list to its end."""
        for outcome in self._schedule.unfinished():
            self._end(outcome)
        for shot, _ in self._dependencies.stranded():
            self._end(Outcome(shot))
        for position, shot in self._rows:
            self._positions[shot.id] = position
            if not self._carry_over(shot):
                self._end(Outcome(shot))

    def _count(self, sent: GenerationSpec, billing: Billing) -> None:
        """Count a request when it ends: shots that share or resume it are not billed again."""
        self._cost_cap.spend(sent.price_usd, billing)
        self._output.add_send(sent, billing)

    async def _generate_all(self) -> None:
        """Generate shots, and finish together those that end while others are being finished."""
        ended: asyncio.Queue[RequestOutcome | None] = asyncio.Queue(_ROWS_AT_A_TIME)
        generating = asyncio.create_task(self._generate_into(ended))
        try:
            while outcomes := await read_waiting(ended):
                await self._finish(outcomes)
            await generating
        finally:
            generating.cancel()
            await asyncio.gather(generating, return_exceptions=True)

    async def _generate_into(self, ended: "asyncio.Queue[RequestOutcome | None]") -> None:
        outcomes = self._stills.generate_many(
            self._requests(),
            model=self._options.model.id,
            fresh=lambda index: self._schedule.running[index].id in self._options.fresh,
            max_cost_usd=self._cost_cap.reserved_usd,
            takes_of=lambda index: self._schedule.running[index].takes_name,
            payer=self._payer,
            stop=self._stop,
            on_stage=self._schedule.set_stage,
            on_send_settled=self._count,
        )
        try:
            async with aclosing(outcomes):
                async for outcome in outcomes:
                    await ended.put(outcome)
        except Exception:
            await ended.put(None)
            raise
        await ended.put(None)

    async def _requests(self) -> AsyncIterator[ImageRequest]:
        """Yield requests as they can start, until all shots have ended."""
        schedule = self._schedule
        while True:
            if schedule.ready:
                if await self._reserve():
                    shot = schedule.ready.popleft()
                    schedule.start(shot)
                    yield with_references(shot, self._files)
            elif self._rows_left:
                self._read_row()
                if not self._read % _ROWS_AT_A_TIME:
                    await asyncio.sleep(0)
            elif not self._unfinished:
                return
            else:
                await schedule.wait()

    def _read_row(self) -> None:
        row = next(self._rows, None)
        if row is None:
            self._rows_left = False
            return
        self._read += 1
        position, shot = row
        self._positions[shot.id] = position
        if not self._carry_over(shot):
            self._unblock(self._dependencies.add(shot))

    def _carry_over(self, shot: Shot) -> bool:
        """Skip a shot that an earlier run finished; return whether it did."""
        entry = self._batch.find_previous(shot)
        if entry is None or entry.file is None:
            return False
        outcome = Outcome(shot, result=entry.result)
        self._output.carry_over(self._positions.pop(shot.id), outcome, entry.file)
        self._set_done(shot, entry.file)
        return True

    def _unblock(self, unblocked: Unblocked) -> None:
        for shot in unblocked.ready:
            self._schedule.ready.append(shot)
            self._unfinished += 1
        for shot, because in unblocked.skipped:
            self._end(Outcome(shot, error=_missing_need(because)))
        self._schedule.wake()

    async def _reserve(self) -> bool:
        """Reserve money for the first ready shot; return False if it must wait, or has failed."""
        schedule, cap = self._schedule, self._cost_cap
        shot = schedule.ready[0]
        request = with_references(shot, self._files)
        price_usd = await self._find_price(request)
        is_free = not cap.has_room(price_usd) and await self._is_stored(shot)
        if not is_free and not cap.has_room(price_usd):  # others may have ended meanwhile
            if schedule.running:
                await schedule.wait()
            else:
                schedule.ready.popleft()
                self._fail(Outcome(shot, error=_over_cap(self._options, price_usd)))
            return False
        cap.reserve(schedule.started, 0.0 if is_free else price_usd)
        return True

    async def _find_price(self, request: ImageRequest) -> float | None:
        """Return what a shot costs; an automatic size depends on its references."""
        model_id = self._options.model.id
        if self._options.max_cost_usd is not None and request.output_size is None:
            (status,) = await self._stills.find_statuses([request], model=model_id)
            if status.error is None:
                return status.price_usd
        return self._stills.price_usd(request, model=model_id)

    def _shared_call(self, outcome: RequestOutcome) -> str | None:
        """Return the shot whose takes may share a call, or None if each has its own."""
        is_shared = self._options.model.images_per_call_max > 1
        return self._schedule.running[outcome.index].takes_name if is_shared else None

    async def _is_stored(self, shot: Shot) -> bool:
        if shot.id in self._options.fresh:
            return False
        request = with_references(shot, self._files)
        (status,) = await self._stills.find_statuses([request], model=self._options.model.id)
        return status.is_kept

    async def _finish(self, outcomes: Sequence[RequestOutcome]) -> None:
        """Write the images of shots that ended, and add them to the output."""
        schedule = self._schedule
        for outcome in outcomes:
            self._cost_cap.release(outcome.index)
            self.early_stop.add(outcome, takes_of=self._shared_call(outcome))
        if self.early_stop.reason is not None:
            self._stop.set()
        results = [(schedule.running[one.index].id, one.result) for one in outcomes if one.result]
        written = iter(await self._output.write_images(self._stills, results))
        for outcome in outcomes:
            file = outcome.error or next(written)
            # Only now: if the run is interrupted before, the shot is still running.
            shot = schedule.end(outcome.index)
            if isinstance(file, StillsError):
                self._fail(Outcome(shot, result=outcome.result, error=file))
            else:
                self._succeed(Outcome(shot, result=outcome.result), file)

    def _succeed(self, outcome: Outcome, file: str) -> None:
        self._end(outcome, file)
        self._set_done(outcome.shot, file)
        self._unfinished -= 1
        self._schedule.wake()

    def _set_done(self, shot: Shot, file: str) -> None:
        if shot.id in self._batch.needed:
            self._files[shot.id] = file_in(self._output.folder, file)
        self._unblock(self._dependencies.done(shot.id))

    def _fail(self, outcome: Outcome) -> None:
        self._end(outcome)
        self._unblock(self._dependencies.failed(outcome.shot.id))
        self._unfinished -= 1
        self._schedule.wake()

    def _end(self, outcome: Outcome, file: str | None = None) -> None:
        self._output.add(self._positions.pop(outcome.shot.id), outcome, file)


def _missing_need(because: str) -> InvalidReference:
    return InvalidReference(
        f"it depends on {because!r}, which has no image",
        field="reference_shot",
        action=f"Fix {because!r} and run again; both are then generated.",
    )


def _over_cap(options: BatchOptions, price_usd: float | None) -> BudgetExceeded:
    if price_usd is None or options.max_cost_usd is None:
        return unknown_price(options.model.id)
    return BudgetExceeded(
        f"it was not sent, because at {format_usd(price_usd)} it could exceed the run's cap of "
        f"{format_usd(options.max_cost_usd)}",
        action="Run again with a higher --max-cost; stored images are free.",
    )
