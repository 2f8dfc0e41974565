"""A batch as events: one JSON object a line, for programs that watch."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TextIO

from stills.batch.contact_sheet import CONTACT_SHEET_NAME
from stills.batch.entry import Entry
from stills.batch.manifest import MANIFEST_NAME
from stills.batch.plan import Plan
from stills.batch.shots import Outcome
from stills.cli.batch_ending import Ending


class EventLines:
    """Writes events: `plan` once, `shot` for each that ends, `end` once."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def plan(self, plan: Plan, notes: Sequence[str]) -> None:
        """Tell what is to come."""
        self._write({"event": "plan"} | asdict(plan) | {"notes": list(notes)})

    def shot(self, outcome: Outcome, file: str | None) -> None:
        """Tell what became of a shot, as the manifest does."""
        self._write({"event": "shot"} | json.loads(Entry.of(outcome, file).to_json()))

    def end(self, ending: Ending) -> None:
        """Tell how it ended."""
        places = {
            "manifest": str(ending.folder / MANIFEST_NAME),
            "contact_sheet": str(ending.folder / CONTACT_SHEET_NAME),
        }
        self._write({"event": "end"} | asdict(ending.tally) | places)

    def _write(self, event: dict[str, object]) -> None:
        print(json.dumps(event), file=self._stream, flush=True)
