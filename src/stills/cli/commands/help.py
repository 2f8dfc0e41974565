"""`stills help`: the help of a command, as `--help` shows it."""

import argparse

from stills.cli.main import build_parser


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    build_parser().parse_args([*options.words, "--help"])
    return 0
