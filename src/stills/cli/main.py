"""The `stills` command: its subcommands, options and help."""

import argparse
import gc
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from stills.cli.film_commands import add_animatic, add_batch, add_export, add_pick, add_review
from stills.cli.job_commands import add_jobs, add_worker
from stills.cli.library_commands import add_import, add_list, add_open, add_prune, add_rm, add_show
from stills.cli.options import (
    add_aspect_ratio,
    add_free_port,
    add_json,
    add_max_cost,
    add_model,
    add_request_field,
    add_resend_unknown,
    add_sandbox_option,
)
from stills.cli.parser import Parser, add_command
from stills.cli.program import run_program
from stills.contract.request import REQUEST_FIELDS
from stills.contract.takes import TAKES_FIELD, TAKES_MAX

if TYPE_CHECKING:
    from stills.cli.parser import Commands

_DESCRIPTION = """\
Generate still images with Alibaba Cloud's qwen-image models. Each is stored, has exactly the size
you ask for, and is never paid for twice.
"""
_EPILOG = """\
exit codes: 0 done; 1 some shots of a batch failed, or files were not imported; 2 invalid request or
option; 3 API key or access; 4 rate limit, quota or budget; 5 the service failed; 6 content refused;
7 storage; 8 an external program, such as ffmpeg, failed; 130 interrupted
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    return run_program(build_parser(words[0] if words else None), arguments, _run)


def _run(options: argparse.Namespace) -> int:
    # Modules stay until the end, so it would be a waste of time to look for garbage in them.
    gc.disable()
    command = import_module(f"stills.cli.commands.{options.module}")
    gc.freeze()
    gc.enable()
    code: int = command.run(options)
    return code


def build_parser(name: str | None = None) -> argparse.ArgumentParser:
    """Describe every command and option; of one command, if `name` is one, which is faster."""
    parser = Parser(
        prog="stills",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    parser.set_defaults(debug=False)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    only = _COMMANDS.get(name or "")
    for add in _COMMANDS.values() if only is None else [only]:
        add(commands)
    return parser


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        print(f"stills {import_module('stills').__version__}")
        parser.exit()


def _add_generate(commands: "Commands") -> None:
    command = add_command(
        commands, "generate", "generate", "Generate one image, or return it from the catalog."
    )
    request = command.add_argument_group("the request")
    prompt = REQUEST_FIELDS["prompt"].phrase
    request.add_argument("prompt", nargs="?", metavar="PROMPT", help=f"{prompt}; - reads stdin")
    request.add_argument("--request", metavar="JSON", help="the whole request as a JSON object")
    request.add_argument("--file", metavar="F", help="JSON file with the whole request; - is stdin")
    for name in REQUEST_FIELDS:
        if name not in ("prompt", "reference_images"):
            add_request_field(request, name)
        if name == "size":
            add_aspect_ratio(request)
    add_model(command)
    command.add_argument(
        "--takes", type=int, default=1, metavar="N",
        help=f"{TAKES_FIELD.phrase} (default: 1, at most {TAKES_MAX})",
    )  # fmt: skip
    command.add_argument(
        "--output", metavar="PATH",
        help="also copy the image to this file, as JPEG or WebP if its name ends in .jpg, .jpeg or "
        ".webp; with several takes, a number is added to the name",
    )  # fmt: skip
    add_max_cost(command, "fail if it could cost more than this")
    add_resend_unknown(command)
    command.add_argument("--fresh", action="store_true", help="always pay for a new image")
    add_sandbox_option(command)
    add_json(command, "print the result as JSON")
    command.set_defaults(explain_extra=_explain_unquoted)


def _explain_unquoted(options: argparse.Namespace, extra: Sequence[str]) -> str | None:
    """Return what to type instead, if the further arguments are words of the prompt."""
    if options.prompt is None or any(word.startswith("-") for word in extra):
        return None
    quoted = " ".join((options.prompt, *extra)).replace('"', '\\"')
    return f'the prompt is several arguments; quote it: stills generate "{quoted}"'


def _add_models(commands: "Commands") -> None:
    command = add_command(
        commands, "models", "models", "List the models: sizes, limits and prices."
    )
    command.add_argument(
        "--check",
        action="store_true",
        help="ask the service which of them it lists, free of charge",
    )
    add_sandbox_option(command, "with --check, ask the built-in sandbox")
    add_json(command)


def _add_doctor(commands: "Commands") -> None:
    doctor = add_command(
        commands, "doctor", "doctor", "Check the API key, the catalog, the store and this machine."
    )
    doctor.add_argument(
        "--online", action="store_true",
        help="also ask the service for its models, which is free of charge",
    )  # fmt: skip
    add_json(doctor, "print JSON")


def _add_config(commands: "Commands") -> None:
    config = add_command(
        commands, "config", "config", "Show each setting, its value, and where that comes from."
    )
    config.add_argument(
        "--schema", action="store_true", help="print the JSON Schema of stills.toml, for editors"
    )
    add_json(config, "print JSON")


def _add_spend(commands: "Commands") -> None:
    command = add_command(
        commands, "spend", "spend", "Report what was billed, possibly billed, and saved."
    )
    command.add_argument(
        "--since",
        metavar="DATE",
        help="YYYY-MM-DD (UTC), or a number of days such as 7d (default: everything)",
    )
    command.add_argument("--by", choices=["day", "model", "style"], help="group the report")
    add_json(command)


def _add_verify(commands: "Commands") -> None:
    command = add_command(commands, "verify", "verify", "Check that every stored image is intact.")
    add_json(command, "print JSON")


def _add_recover(commands: "Commands") -> None:
    command = add_command(
        commands, "recover", "recover", "Finish interrupted images free of charge."
    )
    command.add_argument(
        "--rebuild",
        action="store_true",
        help="rebuild the catalog from the images in store and spool",
    )
    add_sandbox_option(command, "recover sandbox images")
    add_json(command)


def _add_serve(commands: "Commands") -> None:
    command = add_command(
        commands, "serve", "serve", "Serve images over HTTP until Ctrl-C or SIGTERM."
    )
    command.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)"
    )
    command.add_argument(
        "--port", type=int, default=8000, metavar="N", help="0 takes a free port (default: 8000)"
    )
    command.add_argument(
        "--workers", type=int, default=1, metavar="N", help="number of processes (default: 1)"
    )
    command.add_argument(
        "--insecure",
        action="store_true",
        help="accept requests without an API key from anyone who can reach the service",
    )
    command.add_argument(
        "--cors-origin", action="append", default=[], type=str.lower, metavar="ORIGIN",
        help="accept calls from web pages of this origin; repeatable; * allows any, and needs API "
        "keys",
    )  # fmt: skip
    command.add_argument(
        "--log-format",
        choices=["text", "json"],
        default="text",
        help="format of the access log (default: text)",
    )
    command.add_argument(
        "--no-gallery", dest="gallery", action="store_false",
        help="don't show the gallery of stored images at /",
    )  # fmt: skip
    command.add_argument(
        "--review", action="append", default=[], metavar="DIR",
        help="also review a batch's output folder, at /review/NAME/; repeatable; one worker only",
    )  # fmt: skip
    add_sandbox_option(command)


def _add_keys(commands: "Commands") -> None:
    summary = "Create, list and revoke the API keys of `stills serve`."
    keys = commands.add_parser("keys", help=summary, description=summary, allow_abbrev=False)
    actions = keys.add_subparsers(title="commands", metavar="COMMAND", required=True)
    add = add_command(actions, "add", "keys", "Create a key and print it; it is shown only once.")
    add.set_defaults(command="add")
    add.add_argument("name", metavar="NAME", help="name of the key")
    add.add_argument("--budget", metavar="USD", help="spending limit per UTC day, such as 5")
    add.add_argument("--rate", metavar="LIMIT", help="rate limit, such as 10/min")
    listing = add_command(
        actions, "list", "keys", "List all keys, also revoked ones, oldest first."
    )
    listing.set_defaults(command="list")
    add_json(listing)
    revoke = add_command(actions, "revoke", "keys", "Revoke a key.")
    revoke.set_defaults(command="revoke")
    revoke.add_argument("name", metavar="NAME", help="name of the key")


def _add_catalog(commands: "Commands") -> None:
    summary = "Create, migrate or copy the catalog's database."
    catalog = commands.add_parser("catalog", help=summary, description=summary, allow_abbrev=False)
    actions = catalog.add_subparsers(title="commands", metavar="COMMAND", required=True)
    migrate = add_command(
        actions, "migrate", "migrate",
        "Create the catalog, or migrate it to this version; other commands do that too.",
    )  # fmt: skip
    migrate.set_defaults(command="migrate")
    copy = add_command(actions, "copy", "copy_catalog", "Copy a catalog from SQLite to Postgres.")
    copy.set_defaults(command="copy")
    copy.add_argument("source", metavar="SQLITE", help="the file; no process may be using it")
    copy.add_argument(
        "target", metavar="POSTGRES", help="URL of an empty database; - reads it from stdin"
    )


def _add_mcp(commands: "Commands") -> None:
    command = add_command(
        commands, "mcp", "mcp", "Run an MCP server for an agent on standard input and output."
    )
    add_sandbox_option(command)


def _add_sandbox(commands: "Commands") -> None:
    command = add_command(
        commands, "sandbox", "sandbox", "Run a simulated DashScope service until Ctrl-C."
    )
    command.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)"
    )
    add_free_port(command)
    command.add_argument(
        "--latency", type=float, default=0.0, metavar="SECONDS",
        help="delay before each answer (default: 0)",
    )  # fmt: skip
    command.add_argument(
        "--rate", type=float, metavar="N", help="answer 429 above N requests per second"
    )
    command.add_argument(
        "--link-life", type=float, default=86400.0, metavar="SECONDS",
        help="lifetime of image links (default: 86400)",
    )  # fmt: skip
    command.add_argument(
        "--retired", action="append", default=[], metavar="MODEL",
        help="refuse this model; repeatable",
    )  # fmt: skip
    command.add_argument(
        "--base-path", default="", metavar="PATH",
        help="path in front of the service's own, such as /dashscope (default: none)",
    )  # fmt: skip
    command.add_argument(
        "--model-like", action="append", default=[], metavar="ID=KNOWN",
        help="serve a model of this id with the rules of a known one; repeatable",
    )  # fmt: skip
    command.add_argument(
        "--round-sizes", action="store_true", help="make images in multiples of 16 pixels"
    )
    command.add_argument(
        "--ignore-size-with-references", action="store_true",
        help="make every image with references at 2048*2048",
    )  # fmt: skip


def _add_completion(commands: "Commands") -> None:
    command = add_command(
        commands,
        "completion",
        "completion",
        "Print the script that makes Tab complete commands, options, files and models.",
    )
    command.add_argument("shell", choices=["bash", "zsh", "fish"], help="your shell")


def _add_help(commands: "Commands") -> None:
    command = add_command(commands, "help", "help", "Show the help of a command.")
    command.add_argument("words", nargs="*", metavar="COMMAND", help="such as keys add")


_COMMANDS: Mapping[str, Callable[["Commands"], None]] = {
    "generate": _add_generate,
    "batch": add_batch,
    "review": add_review,
    "pick": add_pick,
    "export": add_export,
    "animatic": add_animatic,
    "jobs": add_jobs,
    "worker": add_worker,
    "list": add_list,
    "show": add_show,
    "open": add_open,
    "rm": add_rm,
    "prune": add_prune,
    "import": add_import,
    "models": _add_models,
    "doctor": _add_doctor,
    "config": _add_config,
    "spend": _add_spend,
    "verify": _add_verify,
    "recover": _add_recover,
    "serve": _add_serve,
    "keys": _add_keys,
    "catalog": _add_catalog,
    "mcp": _add_mcp,
    "sandbox": _add_sandbox,
    "completion": _add_completion,
    "help": _add_help,
}
