"""Options that several commands have."""

import argparse
from typing import TYPE_CHECKING, TypeAlias

from stills.contract.request import REQUEST_FIELDS

_METAVARS = {"size": "W*H"}
_IMAGE_ID = "image id, or a unique prefix of at least four characters"

if TYPE_CHECKING:
    # A parser or a group of its options.
    Container: TypeAlias = argparse._ActionsContainer  # noqa: SLF001 - the only name it has


def add_request_field(command: "Container", name: str, summary: str | None = None) -> None:
    """Add the option of a request field; `summary` replaces the field's own description."""
    field = REQUEST_FIELDS[name]
    choices: list[str] | None = field.limits.get("enum")
    option, number = f"--{name.replace('_', '-')}", field.type == "integer"
    if field.type == "boolean":
        command.add_argument(
            option, action=argparse.BooleanOptionalAction, help=summary or field.phrase
        )
        return
    if name == "reference_image":
        command.add_argument(
            option, action="append", metavar="IMAGE", help=f"{field.phrase}; repeatable, in order"
        )
        return
    command.add_argument(
        option,
        type=int if number else str,
        choices=choices,
        metavar=None if choices else _METAVARS.get(name, "N" if number else "TEXT"),
        help=summary or field.phrase,
    )


def add_aspect_ratio(command: "Container") -> None:
    """Add `--aspect-ratio`."""
    command.add_argument(
        "--aspect-ratio", metavar="W:H", help="such as 16:9; with 1K, 2K or 4K as the size, or none"
    )


def add_model(command: argparse.ArgumentParser) -> None:
    """Add `--model`."""
    command.add_argument(
        "--model",
        metavar="ID",
        help="exact id, see `stills models` (default: STILLS_MODEL, else qwen-image-max)",
    )


def add_json(command: "Container", what: str = "print JSON Lines") -> None:
    """Add `--json`."""
    command.add_argument("--json", action="store_true", help=what)


def add_sandbox_option(
    command: argparse.ArgumentParser,
    what: str = "use the built-in sandbox: no API key, no cost, no network",
) -> None:
    """Add `--sandbox`."""
    command.add_argument("--sandbox", action="store_true", help=what)


def add_resend_unknown(command: argparse.ArgumentParser) -> None:
    """Add `--resend-unknown`."""
    command.add_argument(
        "--resend-unknown",
        type=int,
        metavar="N",
        help="repeat an API call whose outcome is unknown up to N times, each of which may be "
        "billed (default: STILLS_RESEND_UNKNOWN, else 0)",
    )


def add_image_id(command: argparse.ArgumentParser) -> None:
    """Add the argument ID."""
    command.add_argument("id", metavar="ID", help=_IMAGE_ID)


def add_image_ids(command: argparse.ArgumentParser) -> None:
    """Add the argument ID, which may be repeated."""
    command.add_argument("ids", nargs="+", metavar="ID", help=_IMAGE_ID)


def add_yes(command: argparse.ArgumentParser) -> None:
    """Add `--yes`."""
    command.add_argument("--yes", action="store_true", help="don't ask for confirmation")


def add_limit(command: argparse.ArgumentParser, what: str) -> None:
    """Add `--limit` to a list."""
    command.add_argument(
        "--limit", type=int, default=20, metavar="N", help=f"number of {what} (default: 20)"
    )


def add_max_cost(command: argparse.ArgumentParser, what: str) -> None:
    """Add `--max-cost`."""
    command.add_argument("--max-cost", type=float, metavar="USD", help=what)


def add_rate(command: argparse.ArgumentParser) -> None:
    """Add `--rate`."""
    command.add_argument(
        "--rate",
        metavar="LIMIT",
        help="rate limit, such as 2/min, auto or none (default: STILLS_RATE_LIMIT, else the "
        "model's)",
    )


def add_free_port(command: argparse.ArgumentParser) -> None:
    """Add `--port`, with a free one as the default."""
    command.add_argument(
        "--port", type=int, default=0, metavar="N", help="default: 0, which takes a free port"
    )
