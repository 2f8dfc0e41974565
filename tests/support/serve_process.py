"""A running `stills serve`."""

import json
import signal
import subprocess
import urllib.request
from typing import Any


class Server:
    """A running `stills serve`."""

    def __init__(self, process: subprocess.Popen[str], says: str = "answers") -> None:
        self.process = process
        assert process.stdout is not None
        self.greeting = process.stdout.readline()
        assert self.greeting.startswith(f"Stills {says} at "), self.greeting
        self.url = self.greeting.split()[3].removesuffix("/v1")

    def ask(self, body: dict[str, Any], **headers: str) -> dict[str, Any]:
        asked = urllib.request.Request(
            f"{self.url}/v1/image.generate",
            json.dumps(body).encode(),
            {"Content-Type": "application/json", **headers},
        )
        with urllib.request.urlopen(asked, timeout=60) as answer:
            return json.load(answer)

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)
