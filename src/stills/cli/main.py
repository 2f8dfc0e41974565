"""The `stills` command and its words."""

import argparse
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, NoReturn, TypeAlias

from stills.cli.program import run_program
from stills.cli.text import printable

_EPILOG = """\
exit codes: 0 done; 1 some shots of a batch failed; 2 bad request; 3 credentials or access; 4 rate
or quota; 5 the service failed; 6 refused content; 7 storage; 8 another program, such as ffmpeg;
130 interrupted
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code."""
    return run_program(build_parser(), arguments, _run)


def _run(options: argparse.Namespace) -> int:
    code: int = import_module(f"stills.cli.commands.{options.module}").run(options)
    return code


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"stills: {printable(message)}. `{self.prog} --help` shows what there is.\n")


def build_parser() -> argparse.ArgumentParser:
    """Describe every command and option."""
    parser = _Parser(
        prog="stills",
        description="One normalized image request in, one kept image out, never paid for twice.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    parser.set_defaults(debug=False)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_generate(commands)
    _add_batch(commands)
    _add_animatic(commands)
    _add_list(commands)
    _add_show(commands)
    _add_spend(commands)
    _add_verify(commands)
    _add_recover(commands)
    _add_serve(commands)
    _add_keys(commands)
    _add_mcp(commands)
    _add_sandbox(commands)
    return parser


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        print(f"stills {import_module('stills').__version__}")
        parser.exit()


if TYPE_CHECKING:
    Commands: TypeAlias = argparse._SubParsersAction[_Parser]  # noqa: SLF001 - the only name it has


def _add(commands: "Commands", name: str, module: str, summary: str) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=summary, description=summary, allow_abbrev=False)
    command.set_defaults(module=module)
    command.add_argument("--debug", action="store_true", help="show tracebacks")
    return command


def _add_resend_unknown(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--resend-unknown",
        type=int,
        metavar="N",
        help="repeat a call whose outcome is unknown up to N times, each of which may be billed; "
        "0, or set STILLS_RESEND_UNKNOWN",
    )


def _add_generate(commands: "Commands") -> None:
    command = _add(commands, "generate", "generate", "Make one image, or find it in the catalog.")
    source = command.add_argument_group("the request")
    source.add_argument("prompt", nargs="?", metavar="PROMPT", help="what to show; - reads stdin")
    source.add_argument("--request", metavar="JSON", help="the whole request as a JSON object")
    source.add_argument("--file", metavar="F", help="the whole request as a JSON file; - is stdin")
    source.add_argument("--size", metavar="W*H", help="pixels, 64 to 4096 a side")
    source.add_argument("--negative-prompt", metavar="TEXT", help="what to keep out")
    source.add_argument("--style", metavar="TEXT", help="woven into the prompt")
    source.add_argument("--seed", type=int, metavar="N", help="0 to 2147483647")
    source.add_argument(
        "--reference-image", metavar="IMAGE", help="https URL, path or data URL of an image"
    )
    command.add_argument("--model", metavar="ID", help="an exact model id; or set STILLS_MODEL")
    command.add_argument("--output", metavar="PATH", help="also copy the image to this file")
    command.add_argument(
        "--max-cost", type=float, metavar="USD", help="refuse to send if it could cost more"
    )
    _add_resend_unknown(command)
    command.add_argument("--fresh", action="store_true", help="pay for a new image in any case")
    command.add_argument(
        "--sandbox", action="store_true", help="play: no key, no money, no network"
    )
    command.add_argument("--json", action="store_true", help="print the result as JSON")


def _add_batch(commands: "Commands") -> None:
    command = _add(
        commands, "batch", "batch", "Make every image of a shot list, none of them twice."
    )
    command.add_argument(
        "shots", metavar="SHOTS", help="CSV, TSV, JSONL, JSON or YAML; - reads stdin"
    )
    command.add_argument(
        "-o",
        "--output",
        metavar="DIR",
        help="for images, manifest.jsonl and index.html; NAME-stills",
    )
    rows = command.add_argument_group("for rows without their own")
    rows.add_argument("--size", metavar="W*H", help="pixels, or 1K, 2K, 4K with an aspect ratio")
    rows.add_argument("--aspect-ratio", metavar="W:H", help="such as 16:9")
    rows.add_argument("--style", metavar="TEXT", help="woven into the prompts")
    rows.add_argument("--negative-prompt", metavar="TEXT", help="what to keep out")
    rows.add_argument("--seed", type=int, metavar="N", help="the project's, to derive theirs from")
    command.add_argument("--encoding", metavar="NAME", help="of the file, if it is not UTF-8")
    command.add_argument("--model", metavar="ID", help="an exact model id; or set STILLS_MODEL")
    command.add_argument(
        "--on-unsupported-reference",
        choices=["error", "describe"],
        help="what if references can't be sent; by default a cast is described in the prompt, and "
        "others are an error",
    )
    command.add_argument("--dry-run", action="store_true", help="show the plan and stop there")
    command.add_argument("--yes", action="store_true", help="ask nothing on a terminal")
    command.add_argument(
        "--max-cost", type=float, metavar="USD", help="never let the whole run cost more"
    )
    command.add_argument(
        "--skip-invalid", action="store_true", help="go on without the rows that can't be used"
    )
    again = command.add_mutually_exclusive_group()
    again.add_argument(
        "--retry-failed", action="store_true",
        help="leave what the last manifest has as done, unless it was changed",
    )  # fmt: skip
    again.add_argument(
        "--fresh", nargs="+", action="extend", default=[], metavar="ID",
        help="pay for new images of these shots",
    )  # fmt: skip
    command.add_argument(
        "--rate", metavar="LIMIT", help="such as 2/min, auto or none; or set STILLS_RATE_LIMIT"
    )
    _add_resend_unknown(command)
    command.add_argument(
        "--sandbox", action="store_true", help="play: no key, no money, no network"
    )
    command.add_argument("--events", action="store_true", help="print one JSON object an event")


def _add_animatic(commands: "Commands") -> None:
    command = _add(
        commands, "animatic", "animatic", "Make a video of a batch's frames with ffmpeg."
    )
    command.add_argument("manifest", metavar="MANIFEST", help="a manifest.jsonl, or its folder")
    command.add_argument("-o", "--output", required=True, metavar="PATH", help="such as film.mp4")
    command.add_argument(
        "--seconds-per-shot", type=float, default=3.0, metavar="SECONDS",
        help="for shots without a duration; 3",
    )  # fmt: skip
    command.add_argument("--fps", type=int, default=24, metavar="N", help="frames a second; 24")
    command.add_argument("--ken-burns", action="store_true", help="move slowly over each frame")


def _add_list(commands: "Commands") -> None:
    command = _add(commands, "list", "catalog", "List kept images, the newest first.")
    command.set_defaults(command="list")
    command.add_argument("--limit", type=int, default=20, metavar="N", help="at most N; 20")
    command.add_argument("--json", action="store_true", help="print one JSON object a line")


def _add_show(commands: "Commands") -> None:
    command = _add(commands, "show", "catalog", "Tell all that is known of one kept image.")
    command.set_defaults(command="show")
    command.add_argument("id", metavar="ID", help="an image's id, or how it starts")
    command.add_argument("--json", action="store_true", help="print JSON")


def _add_spend(commands: "Commands") -> None:
    command = _add(commands, "spend", "spend", "Add up what was billed, may be, and was saved.")
    command.add_argument("--since", metavar="DATE", help="YYYY-MM-DD (UTC) or days such as 7d")
    command.add_argument("--by", choices=["day", "model", "style"], help="one line for each")
    command.add_argument("--json", action="store_true", help="print one JSON object a line")


def _add_verify(commands: "Commands") -> None:
    command = _add(commands, "verify", "verify", "Re-hash the kept images against the catalog.")
    command.add_argument("--json", action="store_true", help="print JSON")


def _add_recover(commands: "Commands") -> None:
    command = _add(
        commands, "recover", "recover", "Finish what was paid for and interrupted; sends nothing."
    )
    command.add_argument(
        "--rebuild",
        action="store_true",
        help="read the images of store and spool back into the catalog",
    )
    command.add_argument(
        "--sandbox", action="store_true", help="what is interrupted is of the sandbox"
    )
    command.add_argument("--json", action="store_true", help="print one JSON object a line")


def _add_serve(commands: "Commands") -> None:
    command = _add(commands, "serve", "serve", "Serve images over HTTP until Ctrl-C or SIGTERM.")
    command.add_argument("--host", default="127.0.0.1", help="address to listen on; 127.0.0.1")
    command.add_argument("--port", type=int, default=8000, metavar="N", help="8000; 0: a free one")
    command.add_argument(
        "--workers", type=int, default=1, metavar="N", help="processes on one catalog; 1"
    )
    command.add_argument(
        "--insecure", action="store_true", help="ask for no API key, and let anyone spend"
    )
    command.add_argument(
        "--cors-origin", action="append", default=[], type=str.lower, metavar="ORIGIN",
        help="let web pages of this origin call it; repeatable; * for any, only with keys",
    )  # fmt: skip
    command.add_argument(
        "--log-format", choices=["text", "json"], default="text", help="of one line a request"
    )
    command.add_argument(
        "--sandbox", action="store_true", help="play: no key, no money, no network"
    )


def _add_keys(commands: "Commands") -> None:
    summary = "Make, list and revoke the keys that `stills serve` lets in."
    keys = commands.add_parser("keys", help=summary, description=summary, allow_abbrev=False)
    actions = keys.add_subparsers(title="commands", metavar="COMMAND", required=True)
    add = _add(actions, "add", "keys", "Make a key and print it, this once.")
    add.set_defaults(command="add")
    add.add_argument("name", metavar="NAME", help="whose it is")
    add.add_argument("--budget", metavar="USD", help="what it may spend on a UTC day, such as 5")
    add.add_argument("--rate", metavar="LIMIT", help="how fast it may ask, such as 10/min")
    listing = _add(actions, "list", "keys", "List all keys, the oldest first, revoked ones too.")
    listing.set_defaults(command="list")
    listing.add_argument("--json", action="store_true", help="print one JSON object a line")
    revoke = _add(actions, "revoke", "keys", "Refuse a key from now on.")
    revoke.set_defaults(command="revoke")
    revoke.add_argument("name", metavar="NAME", help="whose it is")


def _add_mcp(commands: "Commands") -> None:
    command = _add(
        commands, "mcp", "mcp", "Serve an agent over standard input and output, as an MCP server."
    )
    command.add_argument(
        "--sandbox", action="store_true", help="play: no key, no money, no network"
    )


def _add_sandbox(commands: "Commands") -> None:
    command = _add(
        commands, "sandbox", "sandbox", "Serve a DashScope look-alike on this machine until Ctrl-C."
    )
    command.add_argument("--host", default="127.0.0.1", help="127.0.0.1")
    command.add_argument("--port", type=int, default=0, metavar="N", help="0 takes a free one")
    command.add_argument(
        "--latency", type=float, default=0.0, metavar="SECONDS", help="before each answer; 0"
    )
    command.add_argument(
        "--rate", type=float, metavar="N", help="answer 429 above N requests a second"
    )
    command.add_argument(
        "--link-life", type=float, default=86400.0, metavar="SECONDS", help="of image links; 86400"
    )
    command.add_argument(
        "--retired", action="append", default=[], metavar="MODEL", help="refuse this model"
    )
