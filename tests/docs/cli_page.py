"""Writes docs/cli.md from the parser, with the same result on every Python version."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from stills.cli.main import build_parser

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"


def render() -> str:
    """Return every command and option as Markdown."""
    parser = build_parser()
    return "\n".join(_lines(parser)) + "\n"


def _lines(parser: argparse.ArgumentParser) -> Iterator[str]:
    yield from ("# The command line", "", "Written by `tests/docs/cli_page.py`; don't edit it.", "")
    yield from ((parser.description or "").strip(), "")
    yield from _table(parser)
    for name, command in _all_commands(parser):
        yield from (f"## `stills {name}`", "", (command.description or "").strip(), "")
        yield from _table(command)
    epilog = " ".join((parser.epilog or "").split())
    yield from ("## Exit codes", "")
    codes = epilog.removeprefix("exit codes: ").split("; ")
    yield from ("| code | meaning |", "|---|---|")
    yield from ("| {} | {} |".format(*code.split(" ", maxsplit=1)) for code in codes)


def _table(parser: argparse.ArgumentParser) -> Iterator[str]:
    yield from ("| option | meaning |", "|---|---|")
    for action in parser._actions:
        if not isinstance(action, argparse._SubParsersAction):
            yield f"| {_spelling(action)} | {_cell(action.help or '')} |"
    yield ""


def _spelling(action: argparse.Action) -> str:
    choices = "\\|".join(map(str, action.choices or ()))
    value = action.metavar or choices or action.dest.upper()
    if not action.option_strings:
        return f"`{value}`"
    given = "" if action.nargs == 0 else f" {value}"
    return ", ".join(f"`{option}{given}`" for option in action.option_strings)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*")


def _commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    actions = (one for one in parser._actions if isinstance(one, argparse._SubParsersAction))
    return {name: one for action in actions for name, one in action.choices.items()}


def _all_commands(
    parser: argparse.ArgumentParser, before: str = ""
) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    for name, command in _commands(parser).items():
        yield before + name, command
        yield from _all_commands(command, f"{before}{name} ")


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
