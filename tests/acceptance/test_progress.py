"""Progress on standard error while a slow service makes an image."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.progress_lines import PROGRESS_LINE

SCRIPT = (
    Path(__file__).parents[2]
    / "skills/ai/image/alicloud-ai-image-qwen-image/scripts/generate_image.py"
)
REQUEST = json.dumps({"prompt": "a red kite", "size": "64*64", "seed": 1})
PROGRAMS = {
    "generate": [sys.executable, "-m", "stills", "generate", "--request", REQUEST],
    "fresh": [sys.executable, "-m", "stills", "generate", "--request", REQUEST, "--fresh"],
    "takes": [
        sys.executable,
        "-m",
        "stills",
        "generate",
        "--request",
        REQUEST,
        "--takes",
        "4",
    ],
    "skill": [sys.executable, str(SCRIPT), "--request", REQUEST],
}


@pytest.fixture
def ask(environment, service, tmp_path: Path):
    """Run a program without a terminal on a service that takes its time."""

    def run(program: str, *faults: dict[str, object], **variables: str):
        service.set_faults(*faults)
        return subprocess.run(
            PROGRAMS[program],
            env=environment | service.variables | variables,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )

    return run


@pytest.mark.parametrize("program", ["generate", "skill"])
def test_stages_are_reported_without_a_terminal(ask, program):
    """They are in order, and standard output has only the result."""
    faults = [{"kind": kind, "delay_seconds": 6} for kind in ("slow", "slow_download")]
    done = ask(program, *faults)
    stages = [line.partition(":")[0] for line in PROGRESS_LINE.findall(done.stderr)]
    assert stages.index("waiting for the image") < stages.index("downloading")
    assert "billed 0.075 USD" in PROGRESS_LINE.sub("", done.stderr)
    (path,) = done.stdout.splitlines()
    assert Path(path).is_file()


def test_a_wait_for_the_rate_limit_is_reported(ask):
    """The second call in a row has to wait."""
    ask("generate", STILLS_RATE_LIMIT="8/min")
    done = ask("fresh", STILLS_RATE_LIMIT="8/min")
    assert "waiting for the rate limit: " in done.stderr


def test_takes_are_reported_together(ask):
    """Lines say how many are stored, and come every few seconds, not at each take's stages."""
    done = ask("takes", STILLS_RATE_LIMIT="40/min")
    lines = PROGRESS_LINE.findall(done.stderr)
    assert any(
        re.match(r"[12] stored, preparing, or waiting for the rate limit: ", one) for one in lines
    )
    assert "downloading" not in "".join(lines)
