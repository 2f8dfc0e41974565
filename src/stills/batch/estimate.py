"""The plan: what of a batch is kept already, and what the rest costs. Nothing is sent."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stills.app import Stills
from stills.batch.image_files import kept_file
from stills.batch.preflight import Batch, BatchOptions
from stills.batch.references import Files, with_reference
from stills.contract.errors import BudgetExceeded
from stills.contract.money import format_usd, to_nano_usd, to_usd
from stills.contract.outcome import RequestStatus
from stills.shotlist.dependencies import Dependencies, Skipped
from stills.shotlist.shots import Shot

_LOOKED_UP_TOGETHER = 256


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run would do with its rows; those in no other number stay as they are.

    `new` are images to be made, `shared` get one of those, or will find it made, `skipped` need
    what can't be drawn. Money is None where the price is unknown, time where no limit is known.
    """

    rows: int
    new: int
    kept: int
    cost_usd: float | None
    seconds: float | None
    shared: int = 0
    skipped: int = 0


async def make_plan(stills: Stills, batch: Batch, folder: Path) -> Estimate:
    """Look up what is kept already; shots that the model can't draw become problems of the batch.

    Raises:
        CatalogError: the catalog can't be read.
    """
    model = batch.choices.model
    look = _Look(stills, batch, folder)
    await look.through_all()
    limit_per_second = (await stills.quota(model=model.id)).limit_per_second
    return Estimate(
        rows=look.rows,
        new=look.new,
        kept=look.kept,
        shared=look.shared,
        skipped=look.skipped,
        cost_usd=None
        if model.price_usd is None
        else to_usd(look.new * to_nano_usd(model.price_usd)),
        seconds=None if limit_per_second is None else look.new / limit_per_second,
    )


def check_cost(plan: Estimate, choices: BatchOptions) -> None:
    """Refuse a plan that could pass the cap.

    Raises:
        BudgetExceeded: it could, or the price is unknown.
    """
    cap_usd = choices.max_cost_usd
    if cap_usd is None or plan.new == 0:
        return
    if plan.cost_usd is None:
        raise BudgetExceeded(
            f"the price of {choices.model.id} is unknown, so no cap can be kept",
            action="Set STILLS_PRICE_USD to the price of one image. Nothing was sent.",
        )
    if to_nano_usd(plan.cost_usd) > to_nano_usd(cap_usd):
        raise BudgetExceeded(
            f"{plan.new} new images would cost {format_usd(plan.cost_usd)}, over the cap of "
            f"{format_usd(cap_usd)}",
            action="Nothing was sent. Raise --max-cost, or draw fewer shots.",
        )


class _Look:
    """Goes through a batch in the order of the run, with the catalog alone."""

    def __init__(self, stills: Stills, batch: Batch, folder: Path) -> None:
        self._stills = stills
        self._batch = batch
        self._folder = folder
        self._dependencies = Dependencies(batch.needed, left_out=batch.left_out)
        self._lost = set(batch.left_out)
        self._files: Files = {}
        self._ready: list[Shot] = []
        self._keys: set[str] = set()
        self.rows = self.new = self.kept = self.shared = self.skipped = 0

    async def through_all(self) -> None:
        for _, shot in self._batch.shots():
            self.rows += 1
            entry = self._batch.carried_over(shot)
            if entry is not None:
                self._done(shot, self._folder / (entry.file or ""))
                continue
            release = self._dependencies.add(shot)
            self._ready += release.ready
            self._count_skipped(release.skipped)
            if len(self._ready) >= _LOOKED_UP_TOGETHER:
                await self._look_up()
        while self._ready:
            await self._look_up()

    async def _look_up(self) -> None:
        shots, self._ready = self._ready, []
        standings = await self._stills.find_statuses(
            [with_reference(shot, self._files).request for shot in shots],
            model=self._batch.choices.model.id,
        )
        for shot, standing in zip(shots, standings, strict=True):
            self._count(shot, standing)

    def _count(self, shot: Shot, standing: RequestStatus) -> None:
        if standing.error is not None:
            self.rows -= 1
            self._batch.leave_out(shot, standing.error)
            self._lost.add(shot.id)
            self._count_skipped(self._dependencies.failed(shot.id).skipped)
        elif shot.id in self._batch.choices.fresh:
            self._keys.add(standing.key)
            self._count_new(shot)
        elif standing.is_kept:
            self.kept += 1
            self._done(shot, kept_file(standing.image_url or ""))
        elif standing.key in self._keys:
            self.shared += 1
            self._count_skipped(self._dependencies.failed(shot.id).skipped)
        else:
            self._keys.add(standing.key)
            self._count_new(shot)

    def _count_new(self, shot: Shot) -> None:
        """Count a shot whose image is still to be made, and all that hangs on that image."""
        self.new += 1
        self._count_skipped(self._dependencies.failed(shot.id).skipped)

    def _count_skipped(self, skipped: Sequence[Skipped]) -> None:
        """Count what needs an image that is not there yet, or that never will be."""
        for shot, because in skipped:
            if because in self._lost:
                self._lost.add(shot.id)
                self.skipped += 1
            else:
                self.new += 1

    def _done(self, shot: Shot, file: Path | None) -> None:
        if shot.id not in self._batch.needed:
            return
        if file is None:  # kept, and not on this disk or not in this size
            self._count_skipped(self._dependencies.failed(shot.id).skipped)
            return
        self._files[shot.id] = file
        self._ready += self._dependencies.done(shot.id).ready
