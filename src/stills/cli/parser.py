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
            command: Parser = getattr(options, "parser", self)
            command.error(explain(options, extra) or command.describe_unknown(extra))
        return options

    def describe_unknown(self, extra: Sequence[str]) -> str:
        """Name the arguments that the command does not have, and a similar option."""
        options = [name for name in self._option_string_actions if name.startswith("--")]
        near = next((one for word in extra if (one := _find_near(word, options))), None)
        hint = f" (perhaps {near})" if near else ""
        return f"unrecognized arguments: {' '.join(extra)}{hint}"

    def _check_value(self, action: argparse.Action, value: str) -> None:
        """Refuse an unknown command, and name a similar one instead of all."""
        if action.nargs == argparse.PARSER and value not in (
            commands := list(action.choices or ())
        ):
            near = _find_near(value, commands)
            hint = f" (perhaps `{self.prog} {near}`)" if near else ""
            raise argparse.ArgumentError(None, f"there is no command {value!r}{hint}")
        super()._check_value(action, value)

    def error(self, message: str) -> NoReturn:
        """Print it, and exit."""
        self.exit(2, f"stills: {printable(message)}. See `{self.prog} --help`.\n")


def _find_near(word: str, names: Sequence[str]) -> str | None:
    from difflib import get_close_matches  # noqa: PLC0415 - only for mistakes

    return next(iter(get_close_matches(word, names, n=1)), None)


if TYPE_CHECKING:
    Commands: TypeAlias = argparse._SubParsersAction[Parser]  # noqa: SLF001 - the only name it has


def add_command(
    commands: "Commands", name: str, module: str, summary: str
) -> argparse.ArgumentParser:
    """Add a command that is run by a module of stills.cli.commands."""
    command = commands.add_parser(name, help=summary, description=summary, allow_abbrev=False)
    command.set_defaults(module=module, parser=command)
    command.add_argument("--debug", action="store_true", help="show tracebacks of errors")
    return command
