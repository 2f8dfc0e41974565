"""`stills rm`: delete stored images."""

import argparse
import asyncio
import sys
from collections.abc import Sequence

from stills.app import Stills
from stills.cli.commands.batch_folders import describe_use, read_known_folders
from stills.cli.commands.catalog import line
from stills.cli.commands.needed_by_jobs import find_needed_by_jobs
from stills.cli.commands.question import confirm_deletion
from stills.cli.text import images, printable
from stills.service.deletion import AFTERWARDS


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    return asyncio.run(_run(options.ids, is_asked=not options.yes))


async def _run(ids: Sequence[str], *, is_asked: bool) -> int:
    async with Stills.from_catalog() as stills:
        found = [(await stills.images.show(one)).image for one in ids]
        doomed = {image.generation.id: image for image in found}
        for image in doomed.values():
            print(line(image))
        for use in await _describe_uses(stills, frozenset(doomed)):
            print(printable(use))
        if is_asked:
            confirm_deletion(f"Delete {images(len(doomed))} in all sizes?")
        for image in doomed.values():
            await stills.images.delete(image)
    print(f"Deleted. {AFTERWARDS}", file=sys.stderr)
    return 0


async def _describe_uses(stills: Stills, doomed: frozenset[str]) -> Sequence[str]:
    """Say which batches and jobs will miss these generations."""
    known = await stills.images.batch_folders.list()
    folders = await asyncio.to_thread(read_known_folders, known, strict=False)
    uses = [*describe_use(folders.read, doomed)]
    if needed := await find_needed_by_jobs(stills) & doomed:
        uses.append(f"{images(len(needed))} that an unfinished job needs, and may fail without")
    return uses
