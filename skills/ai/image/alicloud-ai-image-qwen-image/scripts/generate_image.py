#!/usr/bin/env python3
"""Generate one image: an `image.generate` request as JSON in, an image file out."""

import argparse
import json
import os
import shlex
import sys
from pathlib import Path

REPOSITORY = ""  # the URL in pyproject.toml, once there is a public one


def install_command() -> str:
    """Return the command that installs Stills for this Python: from the clone around it, if any."""
    source = f"stills @ git+{REPOSITORY}" if REPOSITORY else "PATH_OF_A_CLONE_OF_STILLS"
    for folder in Path(__file__).resolve().parents:
        if (folder / "pyproject.toml").is_file() and (folder / "src" / "stills").is_dir():
            source = str(folder)
    return shlex.join([sys.executable, "-m", "pip", "install", source])


try:
    from stills.cli.commands.generate import make_image, read_request_file, summary, with_web_url
    from stills.cli.lenient_request import LenientRequest, read_lenient_request
    from stills.cli.program import run_program
    from stills.config import default_output
except ImportError as error:
    print(
        f"generate_image: the package stills can't be loaded ({error}). "
        f"Install it: {install_command()}",
        file=sys.stderr,
    )
    sys.exit(127)  # like a shell, for a missing program


def main() -> int:
    """Generate the image that the command line asks for, and return the exit code."""
    return run_program(_make_parser(), None, _run)


def _run(options: argparse.Namespace) -> int:
    given = _read_request(options)
    for name in given.ignored:
        print(f"generate_image: the field {name!r} is unknown, so it is ignored", file=sys.stderr)
    output = Path(options.output or default_output(os.environ) / "images" / "output.png")
    result = make_image(
        given.request,
        output,
        model=given.model,
        sandbox=options.sandbox,
        fresh=options.fresh,
        signs_links=options.print_response,
    )
    print(summary(result), file=sys.stderr)
    if options.print_response:
        print(json.dumps(with_web_url(result).contract_fields()))
    else:
        print(output.absolute())
    return 0


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--request", metavar="JSON", help="the request as a JSON object")
    source.add_argument("--file", metavar="F", help="the request as a JSON file")
    parser.add_argument(
        "--output",
        metavar="PATH",
        help="copy the image here, as PNG, JPEG (.jpg, .jpeg) or WebP (.webp); "
        "default: $OUTPUT_DIR/ai-image-qwen-image/images/output.png",
    )
    parser.add_argument(
        "--print-response",
        action="store_true",
        help="print image_url, width, height and seed as JSON instead of the path",
    )
    parser.add_argument("--fresh", action="store_true", help="always pay for a new image")
    parser.add_argument(
        "--sandbox",
        action="store_true",
        help="use the built-in sandbox: no API key, no cost, no network",
    )
    return parser


def _read_request(options: argparse.Namespace) -> LenientRequest:
    if options.request is not None:
        return read_lenient_request(options.request)
    return read_lenient_request(read_request_file(Path(options.file)))


if __name__ == "__main__":
    sys.exit(main())
