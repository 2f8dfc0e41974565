"""`stills import`: add images of another catalog, so that their requests are not billed here."""

import argparse
import asyncio
from pathlib import Path

from stills.app import Stills
from stills.cli.counting import counting
from stills.cli.errors import SOME_FAILED
from stills.cli.text import images, printable

_INTERRUPTED = "interrupted. Run it again to import the rest."


def run(options: argparse.Namespace) -> int:
    """Run the command; the exit code is 1 if something was skipped."""
    try:
        return asyncio.run(_import(Path(options.folder)))
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_INTERRUPTED) from None


async def _import(folder: Path) -> int:
    async with Stills.from_catalog() as stills:
        with counting("checked") as on_progress:
            done = await stills.images.import_folder(folder, on_progress=on_progress)
    for one in done.skipped:
        print(printable(f"skipped {one.name}: {one.reason}"))
    print(f"{images(done.added)} imported, {done.known} here already, {len(done.skipped)} skipped")
    return SOME_FAILED if done.skipped else 0
