"""OpenAI's client for Node."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any


def test_node_s_openai_package_gets_images_edits_and_refusals(
    serve: Callable[..., Any], node: Path
):
    """Half of all pipelines are written in JavaScript."""
    service = serve("--sandbox")
    asked = subprocess.run(
        ["node", "ask.mjs", f"{service.url}/v1"],
        cwd=node, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert asked.returncode == 0, asked.stderr
    assert json.loads(asked.stdout) == {"same": True, "edited": 1, "refused": "model"}
