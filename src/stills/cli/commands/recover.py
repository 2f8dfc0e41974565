"""`stills recover`: finish interrupted images free of charge."""

import argparse
import asyncio
from collections.abc import Sequence
from dataclasses import asdict

from stills.app import Recovered, Stills
from stills.cli.text import as_json, images, printable
from stills.contract.errors import MissingKey

_SERVICE = 5


def run(options: argparse.Namespace) -> int:
    """Run the command; the exit code is 5 if an image could not be finished."""
    outcomes = asyncio.run(_recover(options))
    for outcome in outcomes:
        if options.json:
            print(as_json(asdict(outcome)))
        else:
            print(line(outcome))
    if not options.json:
        kept = sum(outcome.kept for outcome in outcomes)
        print(f"{images(kept)} recovered, {len(outcomes) - kept} not")
    return 0 if all(outcome.kept for outcome in outcomes) else _SERVICE


def line(outcome: Recovered) -> str:
    """Describe the outcome of one generation."""
    end = "stored" if outcome.kept else outcome.reason
    return printable(f"{outcome.generation_id}: {end}")


async def _recover(options: argparse.Namespace) -> Sequence[Recovered]:
    if options.rebuild:
        async with Stills.from_catalog() as stills:
            aside, outcomes = await stills.rebuild()
            if aside is not None and not options.json:
                print(f"the damaged catalog was moved to {aside}")
            return outcomes
    async with _connected(options) as stills:
        return await stills.recover()


def _connected(options: argparse.Namespace) -> Stills:
    """Use the API key if there is one; without it, everything but downloads can be finished."""
    try:
        return Stills.from_env(sandbox=options.sandbox)
    except MissingKey:
        return Stills.from_catalog()
