"""The run of a batch: every shot is drawn once what it needs is there, and noted as it ends.

Shots go through `Stills.generate_many`, which takes the next one only when it has room, so rows are
read as they are drawn.
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
from stills.batch.preflight import Batch
from stills.batch.references import Files, with_reference
from stills.contract.errors import (
    Billing,
    BudgetExceeded,
    InvalidReference,
    StillsError,
)
from stills.contract.generation import GenerationSpec, Stage
from stills.contract.money import format_usd
from stills.contract.outcome import RequestOutcome
from stills.contract.request import ImageRequest
from stills.shotlist.dependencies import Dependencies, Unblocked
from stills.shotlist.shots import Outcome, Shot

_ROWS_AT_A_TIME = 100


class _Lane:
    """The shots of `generate_many`: those that can start, and those under way by index."""

    def __init__(self) -> None:
        self.ready: deque[Shot] = deque()
        self.under_way: dict[int, Shot] = {}
        self.stages: dict[int, Stage] = {}
        self.begun = 0
        self._woken = asyncio.Event()

    async def wait(self) -> None:
        """Wait until something has come to its end, or can start."""
        self._woken.clear()
        await self._woken.wait()

    def wake(self) -> None:
        self._woken.set()

    def begin(self, shot: Shot) -> None:
        self.under_way[self.begun] = shot
        self.begun += 1

    def follow(self, index: int, stage: Stage) -> None:
        self.stages[index] = stage

    def end(self, index: int) -> Shot:
        self.stages.pop(index, None)
        return self.under_way.pop(index)

    def cut_off(self) -> Iterator[Outcome]:
        """Give what did not begin, and what did not end, with what that means for the money."""
        for shot in self.ready:
            yield Outcome(shot)
        for index, shot in self.under_way.items():
            yield Outcome(shot, billing=self.stages.get(index, Stage.CLAIMED).billing)


class Run:
    """One run through a batch. `stop`, once set, lets what was sent be finished and no more.

    The run sets it itself if going on makes no sense; `early_stop` says why.
    """

    def __init__(
        self, stills: Stills, batch: Batch, record: RunOutput, stop: asyncio.Event
    ) -> None:
        self.early_stop = EarlyStop()
        self._stills = stills
        self._batch = batch
        self._choices = batch.choices
        self._record = record
        self._stop = stop
        self._wallet = CostCap(self._choices.max_cost_usd, self._choices.model.price_usd)
        self._rows = batch.shots()
        self._rows_left = True
        self._dependencies = Dependencies(batch.needed, left_out=batch.left_out)
        self._files: Files = {}
        self._positions: dict[str, int] = {}
        self._read = 0
        self._unfinished = 0
        self._lane = _Lane()

    async def draw(self) -> None:
        """Draw all there is to draw.

        Raises:
            OutputRefused: the folder can't be written.
        """
        await self._drive()
        if not self._stop.is_set():
            for shot, because in self._dependencies.stranded():
                self._end(Outcome(shot, error=_needs(because)))

    def note_pending(self) -> None:
        """Note the shots that a stopped run did not reach; reads the list to its end."""
        for outcome in self._lane.cut_off():
            self._end(outcome)
        for shot, _ in self._dependencies.stranded():
            self._end(Outcome(shot))
        for position, shot in self._rows:
            self._positions[shot.id] = position
            if not self._carry_over(shot):
                self._end(Outcome(shot))

    def _count(self, sent: GenerationSpec, billing: Billing) -> None:
        """Count a call as it ends: shots that share it, or resume it, are not billed again."""
        self._wallet.spend(billing)
        self._record.add_send(sent, billing)

    async def _drive(self) -> None:
        """Draw the shots, and finish together what came while others were finished."""
        drawn: asyncio.Queue[RequestOutcome | None] = asyncio.Queue(_ROWS_AT_A_TIME)
        drawing = asyncio.create_task(self._draw(drawn))
        try:
            while outcomes := await _take(drawn):
                await self._finish(outcomes)
            await drawing
        finally:
            drawing.cancel()
            await asyncio.gather(drawing, return_exceptions=True)

    async def _draw(self, drawn: "asyncio.Queue[RequestOutcome | None]") -> None:
        outcomes = self._stills.generate_many(
            self._requests(),
            model=self._choices.model.id,
            fresh=lambda index: self._lane.under_way[index].id in self._choices.fresh,
            max_cost_usd=self._wallet.image_cap_usd,
            stop=self._stop,
            on_stage=self._lane.follow,
            on_send_settled=self._count,
        )
        try:
            async with aclosing(outcomes):
                async for outcome in outcomes:
                    await drawn.put(outcome)
        except Exception:
            await drawn.put(None)
            raise
        await drawn.put(None)

    async def _requests(self) -> AsyncIterator[ImageRequest]:
        """Give the requests as they can start, until all shots are through."""
        lane = self._lane
        while True:
            if lane.ready:
                if await self._reserve():
                    shot = lane.ready.popleft()
                    lane.begin(shot)
                    yield with_reference(shot, self._files).request
            elif self._rows_left:
                self._read_row()
                if not self._read % _ROWS_AT_A_TIME:
                    await asyncio.sleep(0)
            elif not self._unfinished:
                return
            else:
                await lane.wait()

    def _read_row(self) -> None:
        row = next(self._rows, None)
        if row is None:
            self._rows_left = False
            return
        self._read += 1
        position, shot = row
        self._positions[shot.id] = position
        if not self._carry_over(shot):
            self._release(self._dependencies.add(shot))

    def _carry_over(self, shot: Shot) -> bool:
        """Leave a shot as the last manifest has it, if it is to be left so."""
        entry = self._batch.carried_over(shot)
        if entry is None or entry.file is None:
            return False
        outcome = Outcome(shot, result=entry.result)
        self._record.carry_over(self._positions.pop(shot.id), outcome, entry.file)
        self._note_file(shot, entry.file)
        return True

    def _release(self, release: Unblocked) -> None:
        for shot in release.ready:
            self._lane.ready.append(shot)
            self._unfinished += 1
        for shot, because in release.skipped:
            self._end(Outcome(shot, error=_needs(because)))
        self._lane.wake()

    async def _reserve(self) -> bool:
        """Set money aside for the first ready shot; False if it has to wait, or has failed."""
        lane = self._lane
        shot = lane.ready[0]
        is_free = not self._wallet.has_room and await self._is_kept(shot)
        if not self._wallet.has_room and not is_free:
            if lane.under_way:
                await lane.wait()
            else:
                lane.ready.popleft()
                self._fail(Outcome(shot, error=_over_cap(self._choices.max_cost_usd)))
            return False
        self._wallet.reserve()
        return True

    async def _is_kept(self, shot: Shot) -> bool:
        if shot.id in self._choices.fresh:
            return False
        request = with_reference(shot, self._files).request
        (standing,) = await self._stills.find_statuses([request], model=self._choices.model.id)
        return standing.is_kept

    async def _finish(self, outcomes: Sequence[RequestOutcome]) -> None:
        """Settle, place and note what was drawn."""
        lane = self._lane
        for outcome in outcomes:
            self._wallet.release()
            self.early_stop.add(outcome)
        if self.early_stop.reason is not None:
            self._stop.set()
        results = [(lane.under_way[one.index].id, one.result) for one in outcomes if one.result]
        placed = iter(await self._record.place(self._stills, results))
        for outcome in outcomes:
            file = outcome.error or next(placed)
            # Only now: until it is noted, a run that is cut off has it under way.
            shot = lane.end(outcome.index)
            if isinstance(file, StillsError):
                self._fail(Outcome(shot, result=outcome.result, error=file))
            else:
                self._keep(Outcome(shot, result=outcome.result), file)

    def _keep(self, outcome: Outcome, file: str) -> None:
        self._end(outcome, file)
        self._note_file(outcome.shot, file)
        self._unfinished -= 1
        self._lane.wake()

    def _note_file(self, shot: Shot, file: str) -> None:
        if shot.id in self._batch.needed:
            self._files[shot.id] = file_in(self._record.folder, file)
        self._release(self._dependencies.done(shot.id))

    def _fail(self, outcome: Outcome) -> None:
        self._end(outcome)
        self._release(self._dependencies.failed(outcome.shot.id))
        self._unfinished -= 1
        self._lane.wake()

    def _end(self, outcome: Outcome, file: str | None = None) -> None:
        self._record.add(self._positions.pop(outcome.shot.id), outcome, file)


async def _take(drawn: "asyncio.Queue[RequestOutcome | None]") -> list[RequestOutcome]:
    """Wait for an outcome, and take with it what else is there; none at the end."""
    outcomes: list[RequestOutcome] = []
    outcome = await drawn.get()
    while outcome is not None:
        outcomes.append(outcome)
        if drawn.empty():
            return outcomes
        outcome = drawn.get_nowait()
    drawn.put_nowait(None)  # for the next call
    return outcomes


def _needs(because: str) -> InvalidReference:
    return InvalidReference(
        f"it needs {because!r}, which was not drawn",
        field="reference_shot",
        action=f"Mend {because!r}, then run again: both are drawn.",
    )


def _over_cap(cap_usd: float | None) -> BudgetExceeded:
    return BudgetExceeded(
        f"it was not sent: the run is at its cap of {format_usd(cap_usd or 0.0)}",
        action="Run again with a higher --max-cost; what is kept is free.",
    )
