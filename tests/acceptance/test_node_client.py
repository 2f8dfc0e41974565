"""OpenAI's client for Node, where there is a Node."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

CLIENT = Path(__file__).with_name("node")


@pytest.mark.skipif(shutil.which("npm") is None, reason="there is no Node on this machine")
def test_node_s_openai_package_gets_images_edits_and_refusals(
    serve: Callable[..., Any], tmp_path: Path
):
    """Half of all pipelines are written in JavaScript."""
    folder = tmp_path / "node"
    shutil.copytree(CLIENT, folder)
    subprocess.run(
        ["npm", "ci", "--silent", "--no-audit", "--no-fund"], cwd=folder, check=True, timeout=120
    )
    service = serve("--sandbox")
    asked = subprocess.run(
        ["node", "ask.mjs", f"{service.url}/v1"],
        cwd=folder, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert asked.returncode == 0, asked.stderr
    assert json.loads(asked.stdout) == {"same": True, "edited": 1, "refused": "model"}
