"""The commands for stored images."""

from typing import TYPE_CHECKING

from stills.cli.options import add_image_id, add_image_ids, add_json, add_limit, add_yes
from stills.cli.parser import add_command

if TYPE_CHECKING:
    from stills.cli.parser import Commands


def add_list(commands: "Commands") -> None:
    """Add `list`."""
    command = add_command(commands, "list", "catalog", "List stored images, newest first.")
    command.set_defaults(command="list")
    command.add_argument("words", nargs="*", metavar="WORDS", help="text that the prompt contains")
    command.add_argument("--model", metavar="ID", help="only images of this model")
    command.add_argument("--style", metavar="TEXT", help="only images with exactly this style")
    command.add_argument("--seed", type=int, metavar="N", help="only images with this seed")
    command.add_argument(
        "--since", metavar="DATE", help="YYYY-MM-DD (UTC), or a number of days such as 7d"
    )
    add_limit(command, "images")
    form = command.add_mutually_exclusive_group()
    form.add_argument(
        "--paths", action="store_true", help="print only the path or URL of each image"
    )
    add_json(form)


def add_show(commands: "Commands") -> None:
    """Add `show`."""
    command = add_command(commands, "show", "catalog", "Show everything about one stored image.")
    command.set_defaults(command="show")
    add_image_id(command)
    add_json(command, "print JSON")


def add_open(commands: "Commands") -> None:
    """Add `open`."""
    command = add_command(
        commands, "open", "open", "Open an image in the default viewer, and print its path."
    )
    add_image_id(command)


def add_rm(commands: "Commands") -> None:
    """Add `rm`."""
    command = add_command(
        commands, "rm", "rm",
        "Delete stored images in all their sizes. The ledger keeps what they cost, and an equal "
        "request is billed again.",
    )  # fmt: skip
    add_image_ids(command)
    add_yes(command)


def add_prune(commands: "Commands") -> None:
    """Add `prune`."""
    command = add_command(
        commands, "prune", "prune",
        "Delete old images in all their sizes. The ledger keeps what they cost, and equal requests "
        "are billed again. Images that unfinished jobs need are kept.",
    )  # fmt: skip
    command.add_argument(
        "--older-than", required=True, metavar="AGE",
        help="a number of days since an image was generated, such as 30d, or a date, YYYY-MM-DD "
        "(UTC)",
    )  # fmt: skip
    command.add_argument(
        "--keep-picked", nargs="*", metavar="DIR",
        help="keep images that are picked in a batch; the catalog knows the batches' folders, and "
        "DIR adds others, such as moved ones",
    )  # fmt: skip
    command.add_argument(
        "--forget-missing", action="store_true",
        help="with --keep-picked: treat missing batch folders, and their picks, as deleted",
    )  # fmt: skip
    command.add_argument("--dry-run", action="store_true", help="show what would be deleted")
    add_yes(command)


def add_import(commands: "Commands") -> None:
    """Add `import`."""
    command = add_command(
        commands, "import", "import_images",
        "Add the images of another catalog, whose requests are then answered without being billed.",
    )  # fmt: skip
    command.add_argument(
        "folder", metavar="DIR",
        help="folder that `stills export` wrote, or the store of another catalog",
    )  # fmt: skip
