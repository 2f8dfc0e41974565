"""What the benchmarks of batches share: a sandbox in a separate process, and prompts."""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from stills import ImageRequest

SIZE = "1328*1328"
WARM_UP = ImageRequest(prompt="warm-up: loads all that a first image needs", size=SIZE, seed=7)


@dataclass(frozen=True)
class RunningSandbox:
    """Where a sandbox listens, and its control plane."""

    base_url: str

    def set_faults(self, *faults: dict[str, Any]) -> None:
        body = json.dumps(faults).encode()
        urlopen(Request(self._control("faults"), body, method="POST")).close()

    def sends(self) -> list[dict[str, Any]]:
        """The requests for images, in the order in which they arrived."""
        with urlopen(self._control("ledger")) as answer:
            ledger = json.load(answer)
        return [send for send in ledger["sends"] if send["kind"] == "generation"]

    def _control(self, path: str) -> str:
        return f"{self.base_url.removesuffix('/api/v1')}/_sandbox/{path}"


@contextmanager
def running(*options: str) -> Iterator[RunningSandbox]:
    """Run `stills sandbox` with these options, on a free port."""
    command = [sys.executable, "-m", "stills", "sandbox", "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield RunningSandbox(process.stdout.readline().strip().partition("=")[2])
        finally:
            process.terminate()


def environment(folder: Path, base_url: str, **variables: str) -> dict[str, str]:
    """The environment in which a Stills in `folder` uses a sandbox or a stub."""
    return {
        "DASHSCOPE_API_KEY": "sk-sandbox",
        "DASHSCOPE_HTTP_BASE_URL": base_url,
        "OUTPUT_DIR": str(folder),
        "STILLS_SPOOL": str(folder / "spool"),
        **variables,
    }


def requests(number: int, *, size: str = SIZE) -> list[ImageRequest]:
    """Requests with distinct prompts, from the TSV that STILLS_PROMPTS names, or generated."""
    table = os.environ.get("STILLS_PROMPTS")
    prompts = [f"a red kite over a harbour, picture {count}" for count in range(number)]
    if table:
        with Path(table).open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
            real = list(dict.fromkeys(row["Prompt"].strip()[:800] for row in rows))
        prompts[: len(real)] = real[:number]
    return [ImageRequest(prompt=prompt, size=size, seed=7) for prompt in prompts]
