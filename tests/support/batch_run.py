"""Batches run in the test's process, on a sandbox."""

import asyncio
import json
from pathlib import Path

from stills.batch.manifest import read_manifest
from stills.batch.output import RunOutput
from stills.batch.preflight import Batch, BatchOptions
from stills.batch.run import Run
from stills.shotlist.reader import read_shots

MODEL = "qwen-image-2.0"


def write(folder: Path, *rows: dict) -> Path:
    path = folder / "shots.jsonl"
    path.write_text("\n".join(json.dumps({"size": "512*512"} | row) for row in rows))
    return path


def survey(stills, path: Path, **choices) -> Batch:
    batch = Batch(read_shots(path), BatchOptions(stills.model(MODEL), **choices))
    batch.survey()
    return batch


async def draw(stills, batch: Batch, folder: Path, stop: asyncio.Event | None = None) -> dict:
    """Run a batch, and return its manifest entries by id."""
    record = RunOutput(folder, batch.names, lambda *_: None)
    run = Run(stills, batch, record, stop or asyncio.Event())
    try:
        await run.draw()
    finally:
        run.note_pending()
        record.close(batch.title)
    return {entry.shot.id: entry for entry in read_manifest(folder / "manifest.jsonl")}
