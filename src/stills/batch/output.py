"""The output of a run: manifest, images by shot id with thumbnails, totals."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from stills.app import Stills
from stills.batch.history import History
from stills.batch.image_files import (
    CONTACT_SHEET_NAME,
    IMAGES_FOLDER,
    ImageNames,
    file_in,
    is_same,
    link_or_copy,
    local_file,
)
from stills.batch.manifest import MANIFEST_NAME, ManifestWriter, read_done, read_manifest
from stills.batch.manifest_entry import ManifestEntry, Status
from stills.batch.thumbnails import image_name, make_thumbnails
from stills.batch.totals import RunTotals
from stills.contract.atomic_file import check_writable, replace_atomically
from stills.contract.errors import Billing, InvalidRequest, OutputRefused, StillsError
from stills.contract.generation import GenerationSpec
from stills.contract.result import ImageResult
from stills.shotlist.shots import Outcome

OnOutcome = Callable[[Outcome, str | None], None]
"""Called with each outcome of a run, and the path of its image in the folder, as it ends."""


class RunOutput:
    """Writes the outcomes of one run to a folder; the manifest is written at the end.

    Raises:
        OutputRefused: the folder can't be written; from every method.
    """

    def __init__(self, folder: Path, names: ImageNames, on_outcome: OnOutcome) -> None:
        self.folder = folder
        self._names = names
        self._on_outcome = on_outcome
        # Checked before anything is paid for.
        for name in (MANIFEST_NAME, CONTACT_SHEET_NAME, f"{IMAGES_FOLDER}/part"):
            check_writable(folder / name)
        self._manifest = ManifestWriter(folder)
        self.history = History(folder)
        self._retakes = self._read_retakes()
        self._retaken = {entry.shot.take_of for entry in self._retakes.values()}
        self._retaken_here: set[str] = set()
        self._earlier: dict[str, ManifestEntry] | None = None
        self.totals = RunTotals()
        self._is_remembered = False

    async def write_images(
        self, stills: Stills, results: Sequence[tuple[str, ImageResult]]
    ) -> Sequence[str | StillsError]:
        """Write the images of shots, given by id; return each one's path in the folder, or error.

        The billing of an error is that of the image.
        """
        await self._remember_folder(stills)
        files = [self._names.path(shot_id) for shot_id, _ in results]
        stored = [local_file(result.image_url) for _, result in results]
        both = zip(stored, files, strict=True)
        local = [(one, file) for one, file in both if one]
        errors = iter(await asyncio.to_thread(self._link_all, local) if local else ())
        written: list[str | StillsError] = []
        for (_, result), one, file in zip(results, stored, files, strict=True):
            error = next(errors) if one else await self._save(stills, result.id, file)
            if error is not None and not result.cached:
                error = error.with_(billing=Billing.BILLED)
            written.append(error or file)
        images = [
            (file, image_name(result))
            for (_, result), file in zip(results, written, strict=True)
            if isinstance(file, str)
        ]
        await make_thumbnails(stills, self.folder, images)
        return written

    def add(self, position: int, outcome: Outcome, file: str | None = None) -> None:
        """Add the outcome of the shot at `position`, and report it to `on_outcome`.

        If the shot failed, an image of an earlier run under its id is moved to the history. If it
        is pending, the earlier entry stays: an interrupted run never takes pictures off the board.
        """
        if outcome.error is not None:
            earlier = self._names.path(outcome.shot.id)
            with suppress(OSError, OutputRefused):  # it may be the path that could not be written
                self.history.keep_image(earlier)
                file_in(self.folder, earlier).unlink()
        entry = ManifestEntry.of(outcome, file)
        self.keep(position, self._earlier_if_pending(entry))
        self.totals = self.totals.add(outcome)
        self._on_outcome(outcome, file)

    def keep(self, position: int, entry: ManifestEntry) -> None:
        """Add an entry as it is, or replace the one at `position`."""
        self._manifest.add_entry(position, entry)
        self._retakes.pop(entry.shot.id, None)
        if entry.shot.id in self._retaken:
            self._retaken_here.add(entry.shot.id)

    def add_send(self, sent: GenerationSpec, billing: Billing) -> None:
        """Add the money of a request that has ended."""
        self.totals = self.totals.add_send(sent, billing)

    def carry_over(self, position: int, outcome: Outcome, file: str) -> None:
        """Add the outcome of a shot that an earlier run finished."""
        self.keep(position, ManifestEntry.of(outcome, file))
        self.totals = replace(self.totals, left=self.totals.left + 1)

    def abandon(self) -> None:
        """Leave the manifest as it is: the run does not begin."""
        self._manifest.abandon()

    def close(self) -> None:
        """Write the manifest. Blocks.

        Takes that a review asked for are not in the list: those of its shots stay.
        """
        try:
            self.history.finish()
            for entry in self._retakes.values():
                if entry.shot.take_of in self._retaken_here:
                    self._manifest.append_entry(entry)
        finally:
            self._manifest.close()

    async def _remember_folder(self, stills: Stills) -> None:
        """Let the catalog know the folder, once, because it has what is picked."""
        if not self._is_remembered:
            self._is_remembered = True
            with suppress(StillsError):  # a catalog that can't be written must not stop a run
                await stills.images.batch_folders.add(self.folder.absolute().as_uri())

    def _earlier_if_pending(self, entry: ManifestEntry) -> ManifestEntry:
        """Return the earlier entry of a pending shot, if its image is still there."""
        if entry.status is not Status.PENDING:
            return entry
        if self._earlier is None:
            self._earlier = self._read_earlier()
        earlier = self._earlier.get(entry.shot.id)
        if earlier is None:
            return entry
        shot = replace(
            earlier.shot,
            source=entry.shot.source,
            duration_seconds=entry.shot.duration_seconds,
            dialogue=entry.shot.dialogue,
        )
        return replace(earlier, shot=shot, billing=entry.billing)

    def _read_retakes(self) -> dict[str, ManifestEntry]:
        with suppress(InvalidRequest):  # there is no manifest, or it is damaged
            entries = read_manifest(self._manifest.path)
            return {entry.shot.id: entry for entry in entries if entry.shot.is_retake}
        return {}

    def _read_earlier(self) -> dict[str, ManifestEntry]:
        try:
            return read_done(self.folder)
        except InvalidRequest:  # there is none, or it is damaged
            return {}

    def _link_all(self, local: Sequence[tuple[Path, str]]) -> list[StillsError | None]:
        return [self._link(stored, file) for stored, file in local]

    def _link(self, stored: Path, file: str) -> StillsError | None:
        target = file_in(self.folder, file)
        try:
            if not is_same(stored, target):
                self.history.keep_image(file)
                link_or_copy(stored, target)
        except StillsError as error:
            return error
        return None

    async def _save(self, stills: Stills, image_id: str, file: str) -> StillsError | None:
        target = file_in(self.folder, file)
        try:
            with replace_atomically(target) as part:  # also replaces a read-only link
                await stills.images.save(image_id, part)
                if not await asyncio.to_thread(is_same, part, target):
                    self.history.keep_image(file)
        except StillsError as error:
            return error
        return None
