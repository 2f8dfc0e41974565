"""Machines in Linux namespaces: a host name, a home and processes that no other machine sees."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tests.support.cable import Network

_START = 'hostname "$1" && mount --bind "$2" "$3" && cd "$3" && shift 3 && exec "$@"'


@dataclass(frozen=True)
class Machine:
    """A machine; `disk` is what its processes see at `home`, whose path is the same on all."""

    name: str
    disk: Path
    home: Path
    network: Network | None = None

    def command(self, *command: str) -> list[str]:
        """Return a command that runs another on this machine; killing it kills the machine."""
        as_root = [] if os.geteuid() == 0 else ["--map-root-user"]
        apart = ["--uts", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]
        here = ["unshare", *as_root, *apart, "sh", "-c", _START]
        here += ["sh", self.name, str(self.disk), str(self.home), *command]
        return here if self.network is None else self.network.command(here)

    def on(self, network: Network) -> "Machine":
        """Return the same machine with a network of its own."""
        return replace(self, network=network)

    def variables(self) -> Mapping[str, str]:
        """Return the variables of its processes: their spool is below `home`."""
        return {"HOME": str(self.home)}

    def run(self, *command: str, variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            self.command(*command),
            env={**variables, **self.variables()},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    @property
    def spooled(self) -> Sequence[str]:
        """The names of the files in its spool."""
        return sorted(path.name for path in self.disk.glob(".local/state/stills/spool/*.png"))


def make_machine(folder: Path, name: str) -> Machine:
    """Make a machine whose disk is in a folder."""
    disk, home = folder / name, folder / "home"
    disk.mkdir()
    home.mkdir(exist_ok=True)
    return Machine(name, disk, home)
