"""`stills prune`: delete old images, except those that are picked or still needed."""

import argparse
import asyncio
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from stills.app import Stills
from stills.cli.commands.batch_folders import KnownFolders, describe_use, read_known_folders
from stills.cli.commands.needed_by_jobs import find_needed_by_jobs
from stills.cli.commands.question import confirm_deletion
from stills.cli.commands.spend import read_since
from stills.cli.counting import counting
from stills.cli.text import images, printable
from stills.contract.errors import InvalidRequest
from stills.contract.file_url import file_path
from stills.contract.upkeep import BatchFolder, StoredGeneration
from stills.review.picked_images import FolderImages, read_folder_images
from stills.service.deletion import AFTERWARDS

_INTERRUPTED = "interrupted. Run it again to delete the rest."
_MEGABYTE = 1e6
_SHOWN = 3


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    try:
        return asyncio.run(_prune(options))
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_INTERRUPTED) from None


async def _prune(options: argparse.Namespace) -> int:
    keeps_picked = options.keep_picked is not None
    if options.forget_missing and not keeps_picked:
        raise InvalidRequest(
            "--forget-missing is only for --keep-picked",
            field="forget_missing",
            action="Leave it out, or add --keep-picked; nothing was deleted.",
        )
    before = read_since(options.older_than, option="--older-than")
    async with Stills.from_catalog() as stills:
        old = await stills.images.list_older_than(before)
        known = await stills.images.batch_folders.list()
        folders = await asyncio.to_thread(_read_folders, known, options)
        if keeps_picked and folders.gone and not options.forget_missing:
            raise _unknown_picks(folders.gone)
        picked = _union(one.picked for one in folders.read.values()) if keeps_picked else set()
        needed = await find_needed_by_jobs(stills) if old else set()
        doomed = [one for one in old if one.id not in picked and one.id not in needed]
        ids = {one.id for one in old}
        for line in _describe(doomed, picked & ids, (needed - picked) & ids, folders.read):
            print(printable(line))
        if options.dry_run or not doomed:
            return 0
        if not options.yes:
            confirm_deletion(f"Delete {images(len(doomed))}?")
        for folder in folders.gone if options.forget_missing else ():
            await stills.images.batch_folders.forget(folder)
        with counting("deleted") as on_progress:
            await stills.images.delete_many([one.id for one in doomed], on_progress=on_progress)
    print(f"Deleted. {AFTERWARDS}", file=sys.stderr)
    return 0


def _read_folders(known: Sequence[BatchFolder], options: argparse.Namespace) -> KnownFolders:
    """Read the folders that the catalog knows, and those that were named. Blocks.

    Raises:
        InvalidRequest: one that may have picks to keep can't be read.
    """
    folders = read_known_folders(known, strict=options.keep_picked is not None)
    named: dict[Path, FolderImages] = {}
    for name in options.keep_picked or ():
        found = read_folder_images(Path(name))
        if found is None:
            raise InvalidRequest(
                f"{name} is not the folder of a batch; nothing was deleted",
                field="keep_picked",
                action="Give an output folder of `stills batch`.",
            )
        named[Path(name).absolute()] = found
    return KnownFolders({**folders.read, **named}, folders.gone)


def _unknown_picks(gone: Sequence[BatchFolder]) -> InvalidRequest:
    shown = ", ".join(f"{file_path(one.url)} on {one.host}" for one in gone[:_SHOWN])
    more = f" and {len(gone) - _SHOWN} more" if len(gone) > _SHOWN else ""
    return InvalidRequest(
        f"the picks of {shown}{more} are unknown, because the folder of the batch is missing; "
        "nothing was deleted",
        field="keep_picked",
        action="Mount it or move it back. If it was deleted, or you name its new place after "
        "--keep-picked, add --forget-missing.",
    )


def _describe(
    doomed: Sequence[StoredGeneration],
    picked: set[str],
    needed: set[str],
    folders: Mapping[Path, FolderImages],
) -> Iterable[str]:
    """Say what is deleted, what is kept and why, and which batches will miss it."""
    if doomed:
        megabytes = sum(one.byte_count for one in doomed) / _MEGABYTE
        days = [datetime.fromtimestamp(one.created_at, UTC).date() for one in doomed]
        first, last = min(days), max(days)
        when = f"{first}" if first == last else f"{first} to {last}"
        yield f"{images(len(doomed))} of {when}: {megabytes:,.1f} MB"
    else:
        yield "nothing to delete"
    if picked:
        yield f"kept: {images(len(picked))} picked in a batch"
    if needed:
        yield f"kept: {images(len(needed))} that an unfinished job needs"
    yield from describe_use(folders, [one.id for one in doomed])


def _union(sets: Iterable[frozenset[str]]) -> set[str]:
    return set().union(*sets)
