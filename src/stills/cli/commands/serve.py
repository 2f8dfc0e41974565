"""`stills serve`: the HTTP server, one process or several on one catalog."""

import argparse
import re
import sys
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from urllib.parse import quote

from starlette.types import ASGIApp

from stills.cli.errors import NOTHING_SENT
from stills.cli.open_files import raise_open_files
from stills.cli.text import printable
from stills.config import read_config
from stills.contract.errors import ConfigError
from stills.http.auth import get_budget_owner
from stills.http.deletion import HttpDeletion
from stills.http.generation import HttpGeneration
from stills.http.middleware import BODY_MAX_BYTES
from stills.http.review.boards import PREFIX, check_boards, open_boards
from stills.http.server import FIRST_KEY, HttpServer, ServerOptions, open_server
from stills.mcp.http import make_http_app
from stills.mcp.server import make_server

_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?|https?://\[[0-9a-f:]+\](:[0-9]{1,5})?")


def run(options: argparse.Namespace) -> int:
    """Carry out the command."""
    config = read_config()
    _check(options)
    boards = check_boards([Path(folder) for folder in options.review])
    raise_open_files()
    server_options = ServerOptions(
        host=options.host,
        port=options.port,
        workers=options.workers,
        sandbox=options.sandbox,
        insecure=options.insecure,
        model=config.model,
        public_url=config.public_url,
        model_aliases=config.model_aliases,
        webhooks=config.webhooks,
        cors_origins=tuple(options.cors_origin),
        gallery=options.gallery,
        log_format=options.log_format,
        traces=config.traces,
        mounts={"/mcp": mount_mcp},
        boards=partial(open_boards, boards, sandbox=options.sandbox) if boards else None,
        reviews=tuple(folder.resolve().name for folder in boards),
    )
    try:
        with open_server(server_options) as server:
            _announce(server, boards, shows_images=options.gallery)
            server.run()
    except KeyboardInterrupt:  # only before it serves
        raise KeyboardInterrupt(NOTHING_SENT) from None
    return 0


def mount_mcp(
    generation: HttpGeneration, deletion: HttpDeletion
) -> AbstractAsyncContextManager[ASGIApp]:
    """Serve MCP over HTTP with the images of this service."""
    server = make_server(
        generation.stills,
        image_url=generation.settings.image_url,
        generate=generation.generate_and_log,
        delete=deletion.delete_and_log,
        find_owner=get_budget_owner,
    )
    return make_http_app(server, body_max_bytes=BODY_MAX_BYTES)


def _announce(server: HttpServer, boards: Sequence[Path], *, shows_images: bool) -> None:
    if server.trouble is None:
        gallery = f" and shows stored images at {server.public_url}/" if shows_images else ""
        print(f"Stills answers at {server.url}/v1{gallery}")
    else:
        print(printable(f"Stills listens at {server.url}/v1 but is not ready: {server.trouble}"))
    if server.new_key is not None:
        print(f"Every request needs an API key. This one, named {FIRST_KEY}, is shown only once:")
        print(f"export OPENAI_BASE_URL={server.public_url}/v1")
        print(f"export OPENAI_API_KEY={server.new_key}")
    elif server.keys_required:
        print("Every request needs an API key; `stills keys add NAME` creates another.")
    for folder in boards:
        name = quote(folder.resolve().name)
        print(printable(f"{folder} is reviewed at {server.public_url}{PREFIX}{name}/"))
    sys.stdout.flush()


def _check(options: argparse.Namespace) -> None:
    if not 0 <= options.port <= 65_535:  # noqa: PLR2004 - TCP's own limit
        raise ConfigError("--port is out of range", field="port", action="Use 0 to 65535.")
    if not 1 <= options.workers <= 64:  # noqa: PLR2004 - more than any machine needs
        raise ConfigError("--workers is out of range", field="workers", action="Use 1 to 64.")
    if options.review and options.workers > 1:
        raise ConfigError(
            "--review needs a single worker",
            field="review",
            action="Leave out --workers, or review with `stills review DIR`.",
        )
    for origin in options.cors_origin:
        if origin != "*" and _ORIGIN.fullmatch(origin) is None:
            raise ConfigError(
                f"--cors-origin {origin[:80]!r} is not an origin",
                field="cors-origin",
                action="Use only scheme, host and port, such as https://app.example.com, or *.",
            )
