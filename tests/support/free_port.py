"""A free port of this machine."""

import socket
from contextlib import closing


def free_port() -> int:
    """Return a port of loopback that nothing listens on."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port: int = free.getsockname()[1]
        return port
