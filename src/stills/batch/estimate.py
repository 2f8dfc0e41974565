"""The estimate of a batch: which images are stored already, and what the others cost."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from stills.app import Stills
from stills.batch.image_files import local_file
from stills.batch.manifest import read_earlier
from stills.batch.manifest_entry import ManifestEntry
from stills.batch.preflight import BatchOptions, make_problem
from stills.batch.reasons import DELETED, FRESH, PlannedShot, find_reason
from stills.batch.references import Files, with_references, without_needs
from stills.batch.run_plan import RunPlan
from stills.contract.errors import BudgetExceeded, InvalidRequest
from stills.contract.money import format_usd, to_nano_usd, to_usd, unknown_price
from stills.contract.outcome import RequestStatus
from stills.contract.request import ImageRequest
from stills.shotlist.dependencies import Dependencies, Skipped, Unblocked
from stills.shotlist.shots import Problem, Shot

_LOOKED_UP_TOGETHER = 256

Plan = TypeVar("Plan", bound=RunPlan)


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run would do with its `rows`; those in no other number were done before.

    `new` images are generated. `kept` ones are stored already. `shared` rows get the same image as
    another row. `skipped` rows depend on a shot that can't be generated. `cost_usd` is None if a
    price is unknown, which `unpriced` images have; `seconds` is None if the rate limit is unknown.
    `takes` of the rows are further takes of a shot, and `portraits` show members of the cast.
    `planned` are the new images, in the order of the list.
    """

    rows: int
    new: int
    kept: int
    cost_usd: float | None
    seconds: float | None
    shared: int = 0
    skipped: int = 0
    unpriced: int = 0
    takes: int = 0
    portraits: int = 0
    planned: tuple[PlannedShot, ...] = ()


async def make_estimate(stills: Stills, batch: Plan, folder: Path) -> tuple[Estimate, Plan]:
    """Look a batch up in the catalog; nothing is sent.

    Shots that the model refuses become problems of the returned batch.

    Raises:
        CatalogError: the catalog can't be read.
    """
    model = batch.options.model
    earlier = await asyncio.to_thread(read_earlier, folder, stills.provider)
    estimator = _Estimator(stills, batch, folder, earlier)
    await estimator.run()
    limit_per_second = (await stills.quota(model=model.id)).limit_per_second
    estimate = Estimate(
        rows=estimator.rows,
        new=estimator.new,
        kept=estimator.kept,
        shared=estimator.shared,
        skipped=estimator.skipped,
        cost_usd=None if estimator.unpriced else to_usd(estimator.nano_usd),
        unpriced=estimator.unpriced,
        takes=estimator.takes,
        portraits=estimator.portraits,
        planned=estimator.list_planned(),
        seconds=None if limit_per_second is None else estimator.calls / limit_per_second,
    )
    return estimate, batch.with_problems(estimator.problems)


def check_cost(estimate: Estimate, options: BatchOptions) -> None:
    """Refuse a run that could exceed the cost cap.

    Raises:
        BudgetExceeded: it could, or the price is unknown.
    """
    cap_usd = options.max_cost_usd
    if cap_usd is None or estimate.new == 0:
        return
    if estimate.cost_usd is None:
        raise unknown_price(options.model.id)
    if to_nano_usd(estimate.cost_usd) > to_nano_usd(cap_usd):
        images = "1 new image" if estimate.new == 1 else f"{estimate.new} new images"
        raise BudgetExceeded(
            f"{images} would cost {format_usd(estimate.cost_usd)}, over the cap "
            f"of {format_usd(cap_usd)}",
            action="Nothing was sent. Raise --max-cost, or generate fewer shots.",
        )


class _Estimator:
    """Goes through a batch in the order of the run, using only the catalog."""

    def __init__(
        self, stills: Stills, batch: RunPlan, folder: Path, earlier: Mapping[str, ManifestEntry]
    ) -> None:
        self._stills = stills
        self._batch = batch
        self._folder = folder
        self._earlier = earlier
        self._dependencies = Dependencies(batch.needed, left_out=batch.left_out)
        self._impossible = set(batch.left_out)
        self._files: Files = {}
        self._ready: list[Shot] = []
        self._blocked: list[Skipped] = []
        self._keys: set[str] = set()
        self.problems: list[Problem] = []
        self._planned: list[tuple[int, PlannedShot]] = []
        self._positions: dict[str, int] = {}
        self.rows = self.new = self.kept = self.shared = self.skipped = 0
        self.nano_usd = self.unpriced = self.takes = self.portraits = self.calls = 0
        self._last_call = ("", 0)

    async def run(self) -> None:
        for position, shot in self._batch.shots():
            self.rows += 1
            self.takes += shot.take_of is not None
            self.portraits += shot.is_portrait
            self._positions[shot.id] = position
            entry = self._batch.find_previous(shot)
            if entry is not None:
                self._done(shot, self._folder / (entry.file or ""))
                continue
            unblocked = self._dependencies.add(shot)
            self._ready += unblocked.ready
            self._blocked += unblocked.skipped
            if len(self._ready) + len(self._blocked) >= _LOOKED_UP_TOGETHER:
                await self._look_up()
        while self._ready or self._blocked:
            await self._look_up()

    def list_planned(self) -> tuple[PlannedShot, ...]:
        """Return the new images in the order of the list."""
        return tuple(shot for _, shot in sorted(self._planned, key=lambda one: one[0]))

    async def _look_up(self) -> None:
        shots, self._ready = self._ready, []
        requests = [with_references(shot, self._files) for shot in shots]
        for shot, status in zip(shots, await self._find_statuses(requests), strict=True):
            self._count(shot, status)
        blocked, self._blocked = self._blocked, []
        requests = [without_needs(shot) for shot, _ in blocked]
        for skipped, status in zip(blocked, await self._find_statuses(requests), strict=True):
            self._count_blocked(skipped, status)

    async def _find_statuses(self, requests: Sequence[ImageRequest]) -> Sequence[RequestStatus]:
        return await self._stills.find_statuses(requests, model=self._batch.options.model.id)

    def _count(self, shot: Shot, status: RequestStatus) -> None:
        if status.error is not None:
            self._add_problem(shot, status.error)
            self._block(self._dependencies.failed(shot.id))
        elif shot.id in self._batch.options.fresh:
            self._keys.add(status.key)
            self._count_new(shot, status.price_usd)
        elif status.is_kept:
            self.kept += 1
            self._done(shot, local_file(status.image_url or ""))
        elif status.key in self._keys:
            self.shared += 1
            self._block(self._dependencies.failed(shot.id))
        else:
            self._keys.add(status.key)
            self._count_new(shot, status.price_usd, is_deleted=status.deleted_at is not None)

    def _count_new(self, shot: Shot, price_usd: float | None, *, is_deleted: bool = False) -> None:
        """Count a shot whose image must be generated."""
        self._add_new(shot, price_usd, is_deleted=is_deleted)
        self._block(self._dependencies.failed(shot.id))

    def _count_blocked(self, blocked: Skipped, status: RequestStatus) -> None:
        """Count a shot that needs an image that does not exist yet, or that never will.

        `status` is that of its request without that image: its errors are errors in any case.
        """
        shot = blocked.shot
        if not self._impossible.isdisjoint(shot.needs):
            self._impossible.add(shot.id)
            self.skipped += 1
        elif status.error is not None:
            self._add_problem(shot, status.error)
        else:
            self._add_new(shot, self._find_price(shot))

    def _find_price(self, shot: Shot) -> float | None:
        """Return the price of a shot that needs images which don't exist yet."""
        model_id = self._batch.options.model.id
        return self._stills.price_usd(shot.request, model=model_id, references=len(shot.references))

    def _add_new(self, shot: Shot, price_usd: float | None, *, is_deleted: bool = False) -> None:
        self.new += 1
        reason = DELETED if is_deleted else self._find_reason(shot)
        planned = PlannedShot(shot.id, reason, price_usd)
        self._planned.append((self._positions[shot.id], planned))
        self._add_to_call(shot)
        if price_usd is None:
            self.unpriced += 1
        else:
            self.nano_usd += to_nano_usd(price_usd)

    def _find_reason(self, shot: Shot) -> str:
        options = self._batch.options
        if shot.id in options.fresh:
            return FRESH
        return find_reason(shot, self._earlier.get(shot.id), model_id=options.model.id)

    def _add_to_call(self, shot: Shot) -> None:
        """Count a call, unless the last one also makes this take."""
        name, images = self._last_call
        if name == shot.takes_name and images < self._batch.options.model.images_per_call_max:
            self._last_call = (name, images + 1)
        else:
            self.calls += 1
            self._last_call = (shot.takes_name, 1)

    def _add_problem(self, shot: Shot, error: InvalidRequest) -> None:
        """Report a shot that the model refuses, once for all its takes."""
        self.rows -= 1
        self.takes -= shot.take_of is not None
        self.portraits -= shot.is_portrait
        self._impossible.add(shot.id)
        if shot.take_of not in self._impossible:
            self.problems.append(make_problem(shot, error))

    def _block(self, unblocked: Unblocked) -> None:
        """Put aside the shots that need one without an image, for the next look-up."""
        self._blocked += unblocked.skipped

    def _done(self, shot: Shot, file: Path | None) -> None:
        if shot.id not in self._batch.needed:
            return
        if file is None:  # stored, but not on this disk or not in this size
            self._block(self._dependencies.failed(shot.id))
            return
        self._files[shot.id] = file
        self._ready += self._dependencies.done(shot.id).ready
