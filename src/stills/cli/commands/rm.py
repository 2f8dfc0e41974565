"""`stills rm`: delete stored images."""

import argparse
import asyncio
import sys
from collections.abc import Sequence

from stills.app import Stills
from stills.cli.commands.catalog import line
from stills.cli.commands.question import confirm_deletion
from stills.service.deletion import AFTERWARDS


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    return asyncio.run(_run(options.ids, is_asked=not options.yes))


async def _run(ids: Sequence[str], *, is_asked: bool) -> int:
    async with Stills.from_catalog() as stills:
        images = [(await stills.images.show(one)).image for one in ids]
        for image in images:
            print(line(image))
        if is_asked:
            images_of = "this image in all its sizes" if len(images) == 1 else "these images"
            confirm_deletion(f"Delete {images_of}?")
        for image in images:
            if await stills.images.find(image.rendition.id) is not None:
                await stills.images.delete(image)
    print(f"Deleted. {AFTERWARDS}", file=sys.stderr)
    return 0
