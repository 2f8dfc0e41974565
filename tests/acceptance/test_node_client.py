"""OpenAI's package for Node works with `stills serve`."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any


def test_the_openai_package_for_node_generates_edits_and_reports_errors(
    serve: Callable[..., Any], node: Path
):
    """The package is used unchanged, with only another base URL."""
    service = serve("--sandbox")
    asked = subprocess.run(
        ["node", "ask.mjs", f"{service.url}/v1"],
        cwd=node, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert asked.returncode == 0, asked.stderr
    assert json.loads(asked.stdout) == {"same": True, "edited": 1, "refused": "model"}
