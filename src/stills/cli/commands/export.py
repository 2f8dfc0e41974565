"""`stills export`: the film of a batch as files for editors, printers and spreadsheets."""

import argparse
import asyncio
import sys
from pathlib import Path

from stills.app import Stills
from stills.cli.film_summary import count_shots, list_skipped
from stills.handover.export import PDF, check_output, choose_output, export
from stills.handover.extra import load
from stills.handover.storyboard import PREVIEW_SIDE_PIXELS
from stills.review.film import Film, read_film


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    film = read_film(
        Path(options.folder), seconds_per_shot=options.seconds_per_shot, fps=options.fps
    )
    output = Path(options.output) if options.output else choose_output(film, options.to)
    check_output(output, options.to, force=options.force)
    previews: list[bytes] = []
    if options.to == PDF:
        load("fpdf", PDF)
        previews = asyncio.run(_make_previews(film))
    export(film, output, options.to, previews)
    print(output)
    print("\n".join([_summary(film), *list_skipped(film)]), file=sys.stderr)
    return 0


def _summary(film: Film) -> str:
    picked = sum(still.picked.is_picked for still in film.stills)
    return f"{count_shots(len(film.stills))}, {film.seconds:.1f} s, {picked} picked"


async def _make_previews(film: Film) -> list[bytes]:
    async with Stills.from_catalog() as stills:
        previews = []
        for still in film.stills:
            png = await asyncio.to_thread(still.file.read_bytes)
            previews.append(
                await stills.images.scale_down(png, side_max_pixels=PREVIEW_SIDE_PIXELS)
            )
        return previews
