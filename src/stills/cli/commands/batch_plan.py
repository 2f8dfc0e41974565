"""What `stills batch` works through: a shot list, or what a review asks for."""

import argparse
import os
from pathlib import Path

from stills.app import Stills
from stills.batch.manifest import read_done, read_earlier
from stills.batch.moved_rows import keep_ids
from stills.batch.preflight import BatchOptions, check
from stills.batch.references import OnUnsupported
from stills.batch.run_plan import RunPlan
from stills.contract.errors import InvalidRequest
from stills.contract.money import check_max_cost
from stills.contract.size import normalize_size
from stills.contract.takes import check_takes
from stills.review.board import read_board
from stills.review.retake_plan import find_model_id, plan_retakes
from stills.review.review_file import read_review
from stills.shotlist.durations import FRAME_RATE_DEFAULT, check_frame_rate
from stills.shotlist.options import ListOptions, parse_column_names
from stills.shotlist.reader import ShotList, read_shots
from stills.shotlist.shots import Defaults

_OF_A_LIST = {
    "size": None,
    "aspect_ratio": None,
    "style": None,
    "negative_prompt": None,
    "seed": None,
    "takes": None,
    "weave": False,
    "cast": None,
    "ignore_columns": "",
    "frame_rate": FRAME_RATE_DEFAULT,
    "on_unsupported_reference": None,
}
"""The options that say how rows are read, and their defaults."""


def open_plan(options: argparse.Namespace, stills: Stills) -> tuple[Path, RunPlan]:
    """Return the output folder, and what to generate into it. Blocks.

    Raises:
        InvalidRequest: the list, the folder or an option can't be used.
    """
    check_max_cost(options.max_cost)
    return _open_review(options, stills) if options.from_review else _check_list(options, stills)


def _check_list(options: argparse.Namespace, stills: Stills) -> tuple[Path, RunPlan]:
    if options.shots is None:
        raise InvalidRequest(
            "no shot list is given", field="shots", action="Give a file, or - for standard input."
        )
    shot_list = _open_list(options)
    folder = Path(options.output) if options.output else shot_list.default_folder
    reviewed: frozenset[str] = frozenset()
    if os.path.isdir(folder):  # noqa: PTH112 - False for names that no folder can have
        # A damaged review is refused now rather than at the end of the run.
        reviewed = frozenset(read_review(folder).shots)
    batch_options = _batch_options(options, stills, folder)
    keep_ids(shot_list, read_earlier(folder), batch_options, reviewed=reviewed)
    return folder, check(shot_list, batch_options)


def _open_review(options: argparse.Namespace, stills: Stills) -> tuple[Path, RunPlan]:
    for name, default in _OF_A_LIST.items():
        if getattr(options, name) != default:
            option = f"--{name.replace('_', '-')}"
            raise InvalidRequest(
                f"{option} is for the rows of a list, which --from-review does not read",
                field=name,
                action="Ask for takes with other prompts, seeds or references in the review.",
            )
    folder = _find_folder(options)
    board = read_board(folder)
    model_id = options.model or find_model_id(board)
    batch_options = BatchOptions(model=stills.model(model_id), max_cost_usd=options.max_cost)
    return folder, plan_retakes(board, batch_options)


def _find_folder(options: argparse.Namespace) -> Path:
    if options.output:
        return Path(options.output)
    if options.shots is None:
        raise InvalidRequest(
            "no folder is given",
            field="output",
            action="Give the output folder of the batch with -o, or its shot list.",
        )
    return _open_list(options).default_folder


def _open_list(options: argparse.Namespace) -> ShotList:
    if options.size is not None:
        normalize_size(options.size)  # reported once instead of with every row
    if options.takes is not None:
        check_takes(options.takes)
    defaults = Defaults(
        size=options.size,
        aspect_ratio=options.aspect_ratio,
        style=options.style,
        negative_prompt=options.negative_prompt,
        seed=options.seed,
        takes=options.takes,
    )
    reading = ListOptions(
        sheet=options.sheet,
        ignored_columns=parse_column_names(options.ignore_columns),
        weave=options.weave,
        frame_rate=check_frame_rate(options.frame_rate),
        cast_file=Path(options.cast) if options.cast else None,
    )
    return read_shots(options.shots, defaults, encoding=options.encoding, options=reading)


def _batch_options(options: argparse.Namespace, stills: Stills, folder: Path) -> BatchOptions:
    previous = None
    if options.retry_failed:
        previous = read_done(folder, stills.provider)
    choice = options.on_unsupported_reference
    return BatchOptions(
        model=stills.model(options.model),
        on_unsupported=None if choice is None else OnUnsupported(choice),
        fresh=frozenset(options.fresh),
        previous=previous,
        max_cost_usd=options.max_cost,
    )
