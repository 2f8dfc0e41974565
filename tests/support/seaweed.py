"""A real S3 server, SeaweedFS, on this machine and in a temporary folder."""

import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from tests.support.s3 import s3_variables

_PORTS = ("master.port", "volume.port", "filer.port", "s3.port")
_STARTED_WITHIN_SECONDS = 60.0
_ATTEMPTS = 3


@contextmanager
def serve_seaweed(folder: Path) -> Iterator[dict[str, str]]:
    """Serve a bucket named `bucket`; yields the variables that configure obstore for it.

    Its requests must be signed with the right key.
    """
    with (folder / "weed.log").open("wb") as log:
        ports, server = _start(folder, log)
        try:
            yield s3_variables(ports["s3.port"])
        finally:
            _end(ports, server)


def _start(folder: Path, log: BinaryIO) -> tuple[dict[str, int], subprocess.Popen[bytes]]:
    """Start a server with a bucket; returns its ports and its process."""
    variables = s3_variables(0)
    key = {
        "accessKey": variables["AWS_ACCESS_KEY_ID"],
        "secretKey": variables["AWS_SECRET_ACCESS_KEY"],
    }
    identity = {"name": "tests", "credentials": [key], "actions": ["Admin"]}
    config = folder / "s3.json"
    config.write_text(json.dumps({"identities": [identity]}))
    command = [
        *(_find_weed(), "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={folder}"),
        *("-s3", f"-s3.config={config}", "-s3.port.iceberg=0", "-s3.port.lance=0"),
        *("-volume.max=20", "-master.volumeSizeLimitMB=64"),
    ]
    for _ in range(_ATTEMPTS):  # another program may take a port that was free
        ports = _free_ports([name + kind for name in _PORTS for kind in ("", ".grpc")])
        numbers = [f"-{name}={port}" for name, port in ports.items()]
        server = subprocess.Popen([*command, *numbers], stdout=log, stderr=log)
        with ExitStack() as started:
            started.callback(_end, ports, server)
            if _make_bucket(ports, server):
                started.pop_all()
                return ports, server
    raise AssertionError("SeaweedFS ended")


def _end(ports: Mapping[str, int], server: subprocess.Popen[bytes]) -> None:
    """End a server, and remove the sockets that it puts into /tmp, whatever TMPDIR says."""
    server.kill()
    server.wait()
    for port in ports.values():
        for left in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
            left.unlink(missing_ok=True)


def _find_weed() -> str:
    beside = Path(sys.executable).with_name("weed")
    found = str(beside) if beside.exists() else shutil.which("weed")
    assert found, "SeaweedFS is missing: install the dev group of pyproject.toml"
    return found


def _make_bucket(ports: Mapping[str, int], server: subprocess.Popen[bytes]) -> bool:
    """Wait until the S3 port is open, then make the bucket: a folder of the server's filer.

    Returns False if the server has ended.
    """
    bucket = f"http://127.0.0.1:{ports['filer.port']}/buckets/bucket/"
    deadline = time.monotonic() + _STARTED_WITHIN_SECONDS
    while server.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", ports["s3.port"]), timeout=5):
                pass
            with urllib.request.urlopen(urllib.request.Request(bucket, method="POST"), timeout=5):
                return True
        except OSError:
            if time.monotonic() > deadline:
                raise AssertionError("SeaweedFS does not answer") from None
            time.sleep(0.1)
    return False


def _free_ports(names: list[str]) -> dict[str, int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in names]
        return {name: one.getsockname()[1] for name, one in zip(names, sockets, strict=True)}
