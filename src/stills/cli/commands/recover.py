"""`stills recover`: finish interrupted images free of charge."""

import argparse
import asyncio
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from stills.app import Stills
from stills.cli.counting import counting
from stills.cli.places import catalog_place
from stills.cli.text import as_json, images, printable
from stills.config import read_config
from stills.contract.errors import MissingKey
from stills.contract.upkeep import Recovered

_SERVICE = 5


def run(options: argparse.Namespace) -> int:
    """Run the command; the exit code is 5 if an image could not be finished."""
    counts = asyncio.run(_recover(options))
    if not options.json:
        print(_summary(counts))
    return _SERVICE if counts[False] else 0


def _summary(counts: Counter[bool]) -> str:
    if not counts:
        return "nothing to recover"
    return f"{images(counts[True])} recovered, {counts[False]} not"


def line(outcome: Recovered) -> str:
    """Describe the outcome of one generation."""
    end = "stored" if outcome.kept else outcome.reason
    return printable(f"{outcome.generation_id}: {end}")


async def _recover(options: argparse.Namespace) -> Counter[bool]:
    """Print each outcome; returns how many images are stored now, and how many are not."""
    counts: Counter[bool] = Counter()

    def on_outcome(outcome: Recovered) -> None:
        counts[outcome.kept] += 1
        print(as_json(asdict(outcome)) if options.json else line(outcome))

    if options.rebuild:
        async with Stills.from_catalog() as stills:
            with counting("read") as on_progress:
                aside, _ = await stills.maintenance.rebuild(
                    on_outcome=on_outcome, on_progress=on_progress
                )
            if aside is not None and not options.json:
                print(f"the damaged catalog was moved to {aside}")
        return counts
    config = read_config()
    if isinstance(config.catalog, Path) and not config.catalog.exists():
        # It would become the catalog of all folders below.
        print(
            printable(
                f"there is no catalog at {catalog_place(config)}. Run it in the folder of the "
                "project, or with --rebuild if the catalog was lost"
            ),
            file=sys.stderr,
        )
        return counts
    async with _connected(options) as stills:
        with counting("looked at") as on_progress:
            outcomes = await stills.maintenance.recover(on_progress=on_progress)
    for outcome in outcomes:
        on_outcome(outcome)
    return counts


def _connected(options: argparse.Namespace) -> Stills:
    """Use the API key if there is one; without it, everything but downloads can be finished."""
    try:
        return Stills.from_env(sandbox=options.sandbox)
    except MissingKey:
        return Stills.from_catalog()
