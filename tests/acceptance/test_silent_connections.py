"""`stills serve` with silent connections: real sockets, a real process."""

import contextlib
import socket
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from tests.support.serve_process import Server

KITE = {"prompt": "a red kite", "size": "512*512"}


FILES = 256


@pytest.fixture(params=["-S", ""], ids=["may open more", "may not"])
def command(command: list[str], request: pytest.FixtureRequest) -> list[str]:
    """Start `stills` with a low limit on open files."""
    return ["sh", "-c", f'ulimit {request.param} -n {FILES}; exec "$@"', "sh", *command]


def test_silent_connections_do_not_keep_others_out(serve: Callable[..., Server]):
    """With more connections than open files are allowed at first, a request is still answered."""
    service = serve("--sandbox")
    address = urlsplit(service.url)
    with contextlib.ExitStack() as stack:
        for _ in range(FILES + 50):
            stack.enter_context(socket.create_connection((address.hostname, address.port), 20))
        assert service.ask(KITE)["width"] == 512
    assert service.stop() == 0
