"""The parser of the command line, and how a command is added to it."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn, TypeAlias

from stills.cli.text import printable


class Parser(argparse.ArgumentParser):
    """Reports an error in one line.

    A command may set `explain_extra`, which returns a better message about arguments that it does
    not have, or None.
    """

    def parse_args(  # type: ignore[override]  # no caller gives a namespace
        self, args: Sequence[str] | None = None
    ) -> argparse.Namespace:
        """Parse all arguments, or exit."""
        options, extra = self.parse_known_args(args)
        if extra:
            explain = getattr(options, "explain_extra", lambda *_: None)
            self.error(explain(options, extra) or f"unrecognized arguments: {' '.join(extra)}")
        return options

    def error(self, message: str) -> NoReturn:
        """Print it, and exit."""
        self.exit(2, f"stills: {printable(message)}. See `{self.prog} --help`.\n")


if TYPE_CHECKING:
    Commands: TypeAlias = argparse._SubParsersAction[Parser]  # noqa: SLF001 - the only name it has


def add_command(
    commands: "Commands", name: str, module: str, summary: str
) -> argparse.ArgumentParser:
    """Add a command that is run by a module of stills.cli.commands."""
    command = commands.add_parser(name, help=summary, description=summary, allow_abbrev=False)
    command.set_defaults(module=module)
    command.add_argument("--debug", action="store_true", help="show tracebacks of errors")
    return command
