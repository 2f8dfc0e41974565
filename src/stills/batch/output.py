"""The record of a run: its manifest, its images under their ids, its contact sheet, its tally."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from stills.app import Stills
from stills.batch.contact_sheet.page import CONTACT_SHEET_NAME, write_contact_sheet
from stills.batch.image_files import (
    IMAGES_FOLDER,
    ImageNames,
    file_in,
    kept_file,
    place_image,
)
from stills.batch.manifest import MANIFEST_NAME, ManifestWriter, read_manifest
from stills.batch.totals import RunTotals
from stills.contract.atomic_file import check_writable, replace_atomically
from stills.contract.errors import Billing, StillsError
from stills.contract.generation import GenerationSpec
from stills.contract.result import ImageResult
from stills.shotlist.shots import Outcome

OnOutcome = Callable[[Outcome, str | None], None]
"""Called with each outcome of a run and its image's path from the folder, as it comes."""


class RunOutput:
    """Keeps what becomes of the shots of one run in its folder; the manifest is written at the end.

    Raises:
        OutputRefused: the folder can't be written; from every method.
    """

    def __init__(self, folder: Path, names: ImageNames, on_outcome: OnOutcome) -> None:
        self.folder = folder
        self._names = names
        self._on_outcome = on_outcome
        # Found now, before anything is paid for, and not when the first image is there.
        for name in (MANIFEST_NAME, CONTACT_SHEET_NAME, f"{IMAGES_FOLDER}/part"):
            check_writable(folder / name)
        self._manifest = ManifestWriter(folder)
        self.tally = RunTotals()

    async def place(
        self, stills: Stills, results: Sequence[tuple[str, ImageResult]]
    ) -> Sequence[str | StillsError]:
        """Have kept images under their shots' ids; gives each path, from the folder, or error.

        An error says what its image cost.
        """
        files = [self._names.path(shot_id) for shot_id, _ in results]
        kept = [kept_file(result.image_url) for _, result in results]
        targets = [file_in(self.folder, file) for file in files]
        local = [(one, target) for one, target in zip(kept, targets, strict=True) if one]
        refusals = iter(await asyncio.to_thread(_place_all, local) if local else ())
        placed: list[str | StillsError] = []
        for (_, result), one, file, target in zip(results, kept, files, targets, strict=True):
            refusal = next(refusals) if one else await _save(stills, result.id, target)
            if refusal is not None and not result.cached:
                refusal = refusal.with_(billing=Billing.BILLED)
            placed.append(refusal or file)
        return placed

    def add(self, position: int, outcome: Outcome, file: str | None = None) -> None:
        """Note what became of the shot at `position`, and tell whoever watches.

        An image that an earlier run left under the name of one that failed is taken away.
        """
        if outcome.error is not None:
            with suppress(OSError):  # it may be what could not be written
                file_in(self.folder, self._names.path(outcome.shot.id)).unlink()
        self._manifest.add(position, outcome, file)
        self.tally = self.tally.add(outcome)
        self._on_outcome(outcome, file)

    def add_send(self, sent: GenerationSpec, billing: Billing) -> None:
        """Count the money of a send that has ended."""
        self.tally = self.tally.add_send(sent, billing)

    def carry_over(self, position: int, outcome: Outcome, file: str) -> None:
        """Note again what an earlier run says of a shot."""
        self._manifest.add(position, outcome, file)
        self.tally = replace(self.tally, left=self.tally.left + 1)

    def close(self, title: str) -> None:
        """Write manifest and contact sheet; not for the event loop."""
        self._manifest.close()
        entries = read_manifest(self._manifest.path)
        write_contact_sheet(self.folder, title, entries, self.tally)


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
        with replace_atomically(target) as part:  # also of a link, which is read-only
            await stills.images.save(image_id, part)
    except StillsError as error:
        return error
    return None
