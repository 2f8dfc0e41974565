"""`stills completion`: the script with which a shell completes our commands, options and files."""

import argparse

import shtab

from stills.cli.main import build_parser
from stills.contract.models import MODELS

_FILES = {"AUDIO", "F", "FILE", "IMAGE", "MANIFEST", "MARKS", "PATH", "SHOTS", "SQLITE"}
_FOLDERS = {"DIR", "DIR_OR_ID"}


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    parser = build_parser()
    _complete_values(parser)
    print(shtab.complete(parser, options.shell))
    return 0


def _complete_values(parser: argparse.ArgumentParser) -> None:
    """Say which values are files, folders or one of a list, in a parser and its commands."""
    for action in parser._actions:  # noqa: SLF001 - argparse has no other list
        if action.metavar in _FILES:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
        elif action.metavar in _FOLDERS:
            action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
        elif action.option_strings == ["--model"]:
            action.choices = tuple(MODELS)
        elif isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - its only name
            for command in action.choices.values():
                _complete_values(command)
