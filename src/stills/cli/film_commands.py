"""The commands for a film: from its shot list to its video."""

import argparse
from typing import TYPE_CHECKING

from stills.cli.options import (
    add_aspect_ratio,
    add_free_port,
    add_max_cost,
    add_model,
    add_rate,
    add_request_field,
    add_resend_unknown,
    add_sandbox_option,
    add_yes,
)
from stills.cli.parser import add_command
from stills.contract.takes import TAKES_MAX
from stills.shotlist.durations import FRAME_RATE_DEFAULT

if TYPE_CHECKING:
    from stills.cli.parser import Commands


def add_batch(commands: "Commands") -> None:
    """Add `batch`."""
    command = add_command(commands, "batch", "batch", "Generate every image in a shot list.")
    command.add_argument(
        "shots", metavar="SHOTS", nargs="?",
        help="CSV, TSV, XLSX, JSONL, JSON or YAML file; - reads stdin",
    )  # fmt: skip
    command.add_argument(
        "-o", "--output", metavar="DIR",
        help="output folder for images, manifest and contact sheet (default: NAME-stills)",
    )  # fmt: skip
    rows = command.add_argument_group("defaults for rows that don't set them")
    add_request_field(rows, "size", "W*H in pixels, a ratio, 1K, 2K, 4K, or auto")
    add_aspect_ratio(rows)
    add_request_field(rows, "style")
    add_request_field(rows, "negative_prompt")
    add_request_field(rows, "seed", "project seed; shot seeds are derived from it (default: 0)")
    rows.add_argument(
        "--takes", type=int, metavar="N",
        help=f"number of images of each shot, with consecutive seeds (default: 1, at most "
        f"{TAKES_MAX})",
    )  # fmt: skip
    command.add_argument(
        "--encoding", metavar="NAME", help="text encoding of the file (default: UTF-8)"
    )
    command.add_argument(
        "--sheet", metavar="NAME", help="sheet of an .xlsx workbook (default: the first)"
    )
    command.add_argument(
        "--ignore-columns", default="", metavar="NAMES",
        help='leave these columns out, such as "Lens,Camera notes"',
    )  # fmt: skip
    command.add_argument(
        "--weave", action="store_true",
        help="start prompts with the shot's size, angle, movement and lens",
    )  # fmt: skip
    command.add_argument(
        "--cast", metavar="FILE", help="YAML or JSON file with the members of the cast"
    )
    command.add_argument(
        "--frame-rate", type=float, default=FRAME_RATE_DEFAULT, metavar="FPS",
        help="frames per second in durations such as 00:00:04:12 (default: "
        f"{FRAME_RATE_DEFAULT:g})",
    )  # fmt: skip
    add_model(command)
    command.add_argument(
        "--on-unsupported-reference",
        choices=["error", "describe"],
        help="what to do with references that the model can't take (default: describe the cast in "
        "the prompt, fail on others)",
    )
    command.add_argument("--dry-run", action="store_true", help="show the plan and exit")
    add_yes(command)
    add_max_cost(command, "spending limit for the whole run")
    command.add_argument(
        "--skip-invalid",
        action="store_true",
        help="skip invalid rows, and shots that depend on them",
    )
    again = command.add_mutually_exclusive_group()
    again.add_argument(
        "--retry-failed", action="store_true",
        help="only generate shots that failed, are new or have changed",
    )  # fmt: skip
    again.add_argument(
        "--fresh", nargs="+", action="extend", default=[], metavar="ID",
        help="pay for new images of these shots",
    )  # fmt: skip
    again.add_argument(
        "--from-review", action="store_true",
        help="only generate the takes that a review asks for, and others in place of rejected ones",
    )  # fmt: skip
    add_rate(command)
    add_resend_unknown(command)
    add_sandbox_option(command)
    command.add_argument("--events", action="store_true", help="print events as JSON Lines")
    command.add_argument(
        "--queue", action="store_true",
        help="submit the list as a durable job, which `stills worker` generates, and print its id",
    )  # fmt: skip
    command.add_argument(
        "--job-name", metavar="NAME",
        help="with --queue: the same list with the same name is one job",
    )  # fmt: skip


def add_pick(commands: "Commands") -> None:
    """Add `pick`."""
    command = add_command(
        commands,
        "pick",
        "pick",
        "Decide about a shot of a batch: pick or reject a take, comment, or ask for another.",
    )
    command.add_argument("shot", nargs="?", metavar="SHOT", help="id of the shot")
    command.add_argument(
        "take", nargs="?", metavar="TAKE", help="its take: 1, 2, or r1 for one that was asked for"
    )
    command.add_argument(
        "-o", "--output", default=".", metavar="DIR",
        help="output folder of the batch (default: the current folder)",
    )  # fmt: skip
    command.add_argument(
        "--file", metavar="PATH", help="let your own picture take the place of the shot"
    )
    command.add_argument("--reject", action="store_true", help="reject the take instead")
    command.add_argument(
        "--clear", action="store_true",
        help="take back the mark of the take, or the shot's pick and own picture",
    )  # fmt: skip
    command.add_argument("--comment", metavar="TEXT", help="add a comment")
    command.add_argument(
        "--another", action="store_true",
        help="ask for another take; `stills batch --from-review` generates it",
    )  # fmt: skip
    command.add_argument("--prompt", metavar="TEXT", help="with --another: its prompt")
    command.add_argument("--seed", type=int, metavar="N", help="with --another: its seed")
    command.add_argument(
        "--reference", metavar="IMAGE",
        help="with --another: its reference: id of a shot or take, https URL, or none",
    )  # fmt: skip
    command.add_argument("--undo", action="store_true", help="undo the latest decision")


def add_review(commands: "Commands") -> None:
    """Add `review`."""
    command = add_command(
        commands, "review", "review", "Review a batch in a browser: pick, reject, comment, retake."
    )
    command.add_argument("folder", metavar="DIR", help="output folder of the batch")
    command.add_argument(
        "--merge", metavar="MARKS", help="add the decisions of a marks.json to the folder, and exit"
    )
    add_free_port(command)
    add_max_cost(command, "spending limit of each run")
    command.add_argument(
        "--model", metavar="ID", help="exact id for new takes (default: that of the images)"
    )
    add_rate(command)
    add_resend_unknown(command)
    add_sandbox_option(command)


def add_export(commands: "Commands") -> None:
    """Add `export`."""
    command = add_command(
        commands, "export", "export",
        "Hand a batch's picked images over to other programs, or copy stored images with their "
        "sidecars for `stills import`.",
    )  # fmt: skip
    command.add_argument(
        "what", nargs="+", metavar="DIR_OR_ID",
        help="with --to, the output folder of a batch; without it, image ids, or unique prefixes",
    )  # fmt: skip
    command.add_argument(
        "--to", choices=["otio", "fcpxml", "edl", "zip", "frames", "csv", "pdf"],
        help="a timeline, the images as a zip file or as numbered files, a table, or a storyboard",
    )  # fmt: skip
    command.add_argument(
        "-o", "--output", metavar="PATH",
        help="file, or folder for frames (default: NAME.otio and so on, NAME-frames); for ids, the "
        "folder",
    )  # fmt: skip
    _add_timing(command)
    command.add_argument("--force", action="store_true", help="replace what is there")


def add_animatic(commands: "Commands") -> None:
    """Add `animatic`."""
    command = add_command(
        commands, "animatic", "animatic", "Make a video from a batch's images with ffmpeg."
    )
    command.add_argument("manifest", metavar="MANIFEST", help="a manifest.jsonl, or its folder")
    command.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="PATH",
        help="video file: .mp4, .mov or .gif",
    )
    _add_timing(command)
    command.add_argument("--ken-burns", action="store_true", help="pan and zoom over each image")
    command.add_argument(
        "--mask", metavar="RATIO", help="black bars that leave an aspect ratio, such as 2.39"
    )
    command.add_argument(
        "--burn-in", action="store_true",
        help="write shot ids, dialogue and the timecode into the picture",
    )  # fmt: skip
    command.add_argument(
        "--audio", metavar="PATH",
        help="sound of the film, cut to its length, or a folder with a file per shot, such as "
        "1A.wav",
    )  # fmt: skip
    command.add_argument("--force", action="store_true", help="replace a longer film")


def _add_timing(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--seconds-per-shot", type=float, default=3.0, metavar="SECONDS",
        help="length of shots without a duration (default: 3)",
    )  # fmt: skip
    command.add_argument(
        "--fps", type=int, default=24, metavar="N", help="frames per second (default: 24)"
    )
