"""The network of a machine: a namespace with a cable to Postgres that can be pulled out."""

import asyncio
import ctypes
import os
import secrets
import socket
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.relay import relay

_POSTGRES, _MACHINE = "10.77.0.1", "10.77.0.2"
_PORT = 5432
_CLONE_NEWNET = 0x40000000


@dataclass(frozen=True)
class Network:
    """The namespace `machine`, and the namespace `hub` at the other end of its cable."""

    machine: str
    hub: str
    postgres: str = f"{_POSTGRES}:{_PORT}"

    def command(self, command: Sequence[str]) -> list[str]:
        """Return a command that runs another with this network."""
        return ["ip", "netns", "exec", self.machine, *command]

    def pull(self) -> None:
        """Pull the cable out: packets are lost without an error at either end."""
        _ip("-n", self.hub, "link", "set", "cable", "down")

    def plug(self) -> None:
        """Put the cable back."""
        _ip("-n", self.hub, "link", "set", "cable", "up")


@contextmanager
def lay_cable(*, local_port: int, postgres: Path) -> Iterator[Network]:
    """Make a network that reaches one port of this machine, and Postgres by its socket's path."""
    name = f"stills-{secrets.token_hex(4)}"
    network = Network(f"{name}-machine", f"{name}-hub")
    with ExitStack() as laid:
        for space in (network.hub, network.machine):
            _ip("netns", "add", space)
            laid.callback(_ip, "netns", "delete", space)
            _ip("-n", space, "link", "set", "lo", "up")
        far_end = ("peer", "name", "cable", "netns", network.machine)
        _ip("-n", network.hub, "link", "add", "cable", "type", "veth", *far_end)
        for space, address in ((network.hub, _POSTGRES), (network.machine, _MACHINE)):
            _ip("-n", space, "address", "add", f"{address}/30", "dev", "cable")
            _ip("-n", space, "link", "set", "cable", "up")
        service = _listen(network.machine, ("127.0.0.1", local_port))
        database = _listen(network.hub, (_POSTGRES, _PORT))
        laid.enter_context(relay(service, lambda: asyncio.open_connection("127.0.0.1", local_port)))
        laid.enter_context(relay(database, lambda: asyncio.open_unix_connection(postgres)))
        yield network


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, timeout=20)


def _listen(space: str, address: tuple[str, int]) -> socket.socket:
    """Listen in a namespace; what is accepted there can be passed on from here."""
    made: list[socket.socket] = []

    def listen() -> None:  # only this thread enters the namespace
        with Path("/run/netns", space).open() as entered:
            if ctypes.CDLL(None, use_errno=True).setns(entered.fileno(), _CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        made.append(socket.create_server(address))

    thread = threading.Thread(target=listen)
    thread.start()
    thread.join()
    return made[0]
