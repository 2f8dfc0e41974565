"""The events of a batch as JSON Lines, for other programs."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TextIO

from stills.batch.estimate import Estimate
from stills.batch.image_files import CONTACT_SHEET_NAME
from stills.batch.manifest import MANIFEST_NAME
from stills.batch.manifest_entry import ManifestEntry
from stills.cli.commands.batch_ending import Ending
from stills.cli.program import discard
from stills.contract.errors import OutputRefused
from stills.shotlist.shots import Outcome

_PLACES = 6


class EventLines:
    """Writes events: `plan` once, `shot` for each finished shot, `end` once.

    If they can't be written, `refused` is the error, `stop` is set, and nothing more is written.
    """

    def __init__(self, stream: TextIO, stop: asyncio.Event) -> None:
        self.refused: OutputRefused | None = None
        self._stream = stream
        self._stop = stop

    def plan(self, estimate: Estimate, notes: Sequence[str]) -> None:
        """Write the plan.

        Raises:
            OutputRefused: it can't be written.
        """
        self._write({"event": "plan"} | _exact(asdict(estimate)) | {"notes": list(notes)})
        if self.refused is not None:
            raise self.refused.with_(
                action="Nothing was sent. Give standard output a reader, then run again."
            )

    def shot(self, outcome: Outcome, file: str | None) -> None:
        """Write the outcome of a shot, in the form of the manifest."""
        self._write({"event": "shot"} | json.loads(ManifestEntry.of(outcome, file).to_json()))

    def end(self, ending: Ending) -> None:
        """Write the end."""
        places = {
            "manifest": str(ending.folder / MANIFEST_NAME),
            "contact_sheet": str(ending.folder / CONTACT_SHEET_NAME),
        }
        stopped = {"stopped_because": ending.stopped_because}
        self._write({"event": "end"} | _exact(asdict(ending.totals)) | stopped | places)

    def _write(self, event: dict[str, object]) -> None:
        if self.refused is not None:
            return
        try:
            print(json.dumps(event), file=self._stream, flush=True)
        except OSError as error:
            self.refused = OutputRefused(
                f"the events can't be written: {error.strerror}",
                action="Images in progress are finished and stored; run again for the rest.",
            )
            self._stop.set()
            discard(self._stream)


def _exact(facts: dict[str, object]) -> dict[str, object]:
    """Round seconds, which have the errors of binary fractions; amounts of money are exact."""
    return {
        name: round(fact, _PLACES) if name == "seconds" and isinstance(fact, float) else fact
        for name, fact in facts.items()
    }
