"""`stills export`: the film of a batch for other programs, or stored images for other catalogs."""

import argparse
import asyncio
import sys
from pathlib import Path

from stills.app import Stills
from stills.cli.film_summary import count_shots, list_skipped
from stills.cli.pictures import open_pictures
from stills.contract.errors import InvalidRequest
from stills.handover.export import PDF, check_output, choose_output, export
from stills.handover.extra import load
from stills.review.film import Film, read_film


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    if options.to is None:
        return asyncio.run(_export_images(options))
    if len(options.what) > 1:
        raise InvalidRequest(
            "--to hands over one batch", field="to", action="Give one output folder of a batch."
        )
    film = read_film(
        Path(options.what[0]), seconds_per_shot=options.seconds_per_shot, fps=options.fps
    )
    output = Path(options.output) if options.output else choose_output(film, options.to)
    check_output(output, options.to, force=options.force)
    if options.to == PDF:
        load("fpdf", PDF)
        with open_pictures() as pictures:
            export(film, output, PDF, pictures)
    else:
        export(film, output, options.to)
    print(output)
    print("\n".join([_summary(film), *list_skipped(film)]), file=sys.stderr)
    return 0


def _summary(film: Film) -> str:
    picked = sum(still.picked.is_picked for still in film.stills)
    return f"{count_shots(len(film.stills))}, {film.seconds:.1f} s, {picked} picked"


async def _export_images(options: argparse.Namespace) -> int:
    _check_image_options(options)
    async with Stills.from_catalog() as stills:
        images = [(await stills.images.show(one)).image for one in options.what]
        for image in images:
            print(await stills.images.export(image, Path(options.output)), flush=True)
    return 0


def _check_image_options(options: argparse.Namespace) -> None:
    """Refuse options and words that are for a batch's folder.

    Raises:
        InvalidRequest: there is one, or no folder to export to.
    """
    folder = next((one for one in options.what if Path(one).is_dir()), None)
    if folder is not None:
        raise InvalidRequest(
            f"{folder} is a folder, but --to is missing",
            field="to",
            action="Add --to, such as --to otio, to hand over a batch. To copy an image whose id "
            "begins like this, give more of its id.",
        )
    for name, default in (("force", False), ("seconds_per_shot", 3.0), ("fps", 24)):
        if getattr(options, name) != default:
            option = f"--{name.replace('_', '-')}"
            raise InvalidRequest(
                f"{option} is for a batch's folder, with --to",
                field=name,
                action="Leave it out: images are copied as they are, and replace no other file.",
            )
    if not options.output:  # an empty variable would be the current folder
        raise InvalidRequest(
            "the folder for the copies is missing",
            field="output",
            action="Add -o and a folder, or --to if you mean the folder of a batch.",
        )
