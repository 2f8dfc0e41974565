"""The record of a run: its manifest, its images under their ids, its contact sheet, its tally."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from stills.app import Stills
from stills.batch.contact_sheet import write_contact_sheet
from stills.batch.image_files import ImageNames, kept_file, place_image
from stills.batch.manifest import ManifestWriter, read_manifest
from stills.batch.shots import Outcome
from stills.batch.whole_file import replacing
from stills.contract.errors import Billing, StillsError
from stills.contract.generation import Draft
from stills.contract.result import ImageResult


@dataclass(frozen=True, slots=True)
class Tally:
    """How far a run has come.

    `made` are new images, `left` shots that were done before and left as they are. Money is that of
    the sends, whatever became of their shots: `usd` is billed, `possible` sends may be.
    """

    made: int = 0
    from_catalog: int = 0
    failed: int = 0
    pending: int = 0
    left: int = 0
    usd: float = 0.0
    unpriced: int = 0
    possible: int = 0
    play_money: bool = False

    @property
    def finished(self) -> int:
        """How many shots came to an end."""
        return self.done + self.failed

    @property
    def done(self) -> int:
        """How many have their image."""
        return self.made + self.from_catalog + self.left

    def add(self, outcome: Outcome) -> "Tally":
        """Count one more outcome."""
        if outcome.error is not None:
            return replace(self, failed=self.failed + 1)
        if outcome.result is None:
            # Its send is still under way, and ends when there is nobody left to be told.
            possible = self.possible + (outcome.billing is Billing.POSSIBLE)
            return replace(self, pending=self.pending + 1, possible=possible)
        if outcome.result.cached:
            return replace(self, from_catalog=self.from_catalog + 1)
        return replace(self, made=self.made + 1)

    def add_send(self, sent: Draft, billing: Billing) -> "Tally":
        """Count what one send means for the money."""
        if billing is Billing.NONE:
            return self
        counted = replace(self, play_money=sent.provider == "sandbox")
        if billing is Billing.POSSIBLE:
            return replace(counted, possible=self.possible + 1)
        if sent.price_usd is None:
            return replace(counted, unpriced=self.unpriced + 1)
        return replace(counted, usd=self.usd + sent.price_usd)


OnOutcome = Callable[[Outcome, str | None], None]
"""Called with each outcome of a run and its image's path from the folder, as it comes."""


class Record:
    """Keeps what becomes of the shots of one run in its folder; the manifest is written at the end.

    Raises:
        OutputRefused: the folder can't be written; from every method.
    """

    def __init__(self, folder: Path, names: ImageNames, on_outcome: OnOutcome) -> None:
        self.folder = folder
        self._names = names
        self._on_outcome = on_outcome
        self._manifest = ManifestWriter(folder)
        self.tally = Tally()

    async def place(
        self, stills: Stills, results: Sequence[tuple[str, ImageResult]]
    ) -> Sequence[str | StillsError]:
        """Have kept images under their shots' ids; gives each path, from the folder, or error.

        An error says what its image cost.
        """
        files = [self._names.path(shot_id) for shot_id, _ in results]
        kept = [kept_file(result.image_url) for _, result in results]
        local = [(one, self.folder / file) for one, file in zip(kept, files, strict=True) if one]
        refusals = iter(await asyncio.to_thread(_place_all, local) if local else ())
        placed: list[str | StillsError] = []
        for (_, result), one, file in zip(results, kept, files, strict=True):
            refusal = next(refusals) if one else await _save(stills, result.id, self.folder / file)
            if refusal is not None and not result.cached:
                refusal.billing = Billing.BILLED
            placed.append(refusal or file)
        return placed

    def add(self, position: int, outcome: Outcome, file: str | None = None) -> None:
        """Note what became of the shot at `position`, and tell whoever watches.

        An image that an earlier run left under the name of one that failed is taken away.
        """
        if outcome.error is not None:
            with suppress(OSError):  # it may be what could not be written
                (self.folder / self._names.path(outcome.shot.id)).unlink()
        self._manifest.add(position, outcome, file)
        self.tally = self.tally.add(outcome)
        self._on_outcome(outcome, file)

    def add_send(self, sent: Draft, billing: Billing) -> None:
        """Count the money of a send that has ended."""
        self.tally = self.tally.add_send(sent, billing)

    def carry_over(self, position: int, outcome: Outcome, file: str) -> None:
        """Note again what an earlier run says of a shot."""
        self._manifest.add(position, outcome, file)
        self.tally = replace(self.tally, left=self.tally.left + 1)

    def close(self, title: str) -> None:
        """Write manifest and contact sheet; not for the event loop."""
        self._manifest.close()
        write_contact_sheet(self.folder, title, read_manifest(self._manifest.path))


def _place_all(local: Sequence[tuple[Path, Path]]) -> list[StillsError | None]:
    return [_place(kept, target) for kept, target in local]


def _place(kept: Path, target: Path) -> StillsError | None:
    try:
        place_image(kept, target)
    except StillsError as error:
        return error
    return None


async def _save(stills: Stills, image_id: str, target: Path) -> StillsError | None:
    try:
        with replacing(target) as part:  # also of a link, which is read-only
            await stills.save(image_id, part)
    except StillsError as error:
        return error
    return None
