"""Batches that run in this process, on a sandbox."""

import asyncio
import json
from pathlib import Path

from stills.batch.manifest import read_manifest
from stills.batch.output import RunOutput
from stills.batch.preflight import Batch, BatchOptions, check
from stills.batch.run import Run
from stills.shotlist.reader import read_shots

MODEL = "qwen-image-2.0"


def write_list(folder: Path, *rows: dict) -> Path:
    path = folder / "shots.jsonl"
    path.write_text("\n".join(json.dumps({"size": "512*512"} | row) for row in rows))
    return path


def check_list(stills, path: Path, **options) -> Batch:
    return check(read_shots(path), BatchOptions(**{"model": stills.model(MODEL)} | options))


async def run_batch(stills, batch: Batch, folder: Path) -> dict:
    """Run a batch, and return the entries of its manifest by id."""
    await run_with_output(stills, batch, folder)
    return {entry.shot.id: entry for entry in read_manifest(folder / "manifest.jsonl")}


async def run_with_output(stills, batch: Batch, folder: Path) -> RunOutput:
    """Run a batch, and return its output."""
    output = RunOutput(folder, batch.names, lambda *_: None)
    run = Run(stills, batch, output, asyncio.Event())
    try:
        await run.generate()
    finally:
        run.add_pending()
        output.close()
    return output
