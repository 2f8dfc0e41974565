"""A process that generates images and then forks, as Celery and preloading gunicorn do."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

_DEADLINE_SECONDS = 60.0

_FORK = """
import os, sys
from stills import ImageRequest, StillsError, generate

def make(prompt, size, **options):
    return generate(ImageRequest(prompt=prompt, size=size), sandbox=True, **options)

make("a kite", "1280*720")
for number in range(2):
    child = os.fork()
    if not child:
        made = make(f"a boat, picture {number}", "512*512"), make("a kite", f"{640 + number}*360")
        print(*(result.cached for result in made))
        try:
            make("a kite", "512*512", model="unknown")
        except StillsError as error:
            print(error.code, error.field, flush=True)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        sys.exit("the child failed")
make("a house", "1280*720")
"""

_FORK_WITH_A_BUCKET = """
import asyncio, os
from stills.contract.errors import StillsError
from stills.store import open_store

def ask():
    try:
        asyncio.run(open_store("s3://a-bucket/images").exists("a.png"))
    except StillsError as error:
        print(f"{error.code}: {error}", flush=True)

ask()
child = os.fork()
if not child:
    ask()
    os._exit(0)
os.waitpid(child, 0)
"""

_FORK_WITH_AN_EVENT_LOOP = """
import asyncio, os
from stills import ImageRequest, Stills, StillsError

async def make(prompt):
    async with Stills.from_env(sandbox=True) as stills:
        request = ImageRequest(prompt=prompt, size="512*512")
        try:
            result = await stills.generate(request, model="qwen-image-2.0")
            print("cached" if result.cached else "made", flush=True)
        except StillsError as error:
            print(f"{error.code}, billing {error.billing}", flush=True)

asyncio.run(make("a kite"))
child = os.fork()
if not child:
    asyncio.run(make("a kite"))
    asyncio.run(make("a boat"))
    os._exit(0)
os.waitpid(child, 0)
"""


@pytest.fixture
def run(tmp_path: Path):
    """Run a program in its own session; kill all of it if it does not end in time."""

    def start(program: str, **environment: str) -> str:
        running = subprocess.Popen(
            [sys.executable, "-c", program],
            env=os.environ | {"HOME": str(tmp_path), "OUTPUT_DIR": str(tmp_path)} | environment,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            printed, _ = running.communicate(timeout=_DEADLINE_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, signal.SIGKILL)
            running.communicate()
            pytest.fail("it hangs")
        assert running.returncode == 0
        return printed

    return start


def test_a_forked_child_generates_and_renders_images(run):
    """So do the next child and the parent; errors keep their class and attributes."""
    assert run(_FORK) == "False True\nunknown_model model\n" * 2


def test_a_bucket_used_before_a_fork_is_rejected_in_the_child_at_once(run):
    """Its native runtime does not survive a fork; the error says what to do."""
    parent, child = run(
        _FORK_WITH_A_BUCKET,
        AWS_ACCESS_KEY_ID="a",
        AWS_SECRET_ACCESS_KEY="b",
        AWS_ENDPOINT="http://127.0.0.1:1",
        AWS_ALLOW_HTTP="true",
        AWS_REGION="r",
    ).splitlines()
    assert "could not look for a.png" in parent
    assert child == (
        "forked_process: obstore can't be used here: the parent used it before the fork"
    )


def test_an_open_stills_is_rejected_in_the_child_before_anything_is_sent(run):
    """An image stored at the requested size is still returned."""
    assert run(_FORK_WITH_AN_EVENT_LOOP).splitlines() == [
        "made",
        "cached",
        "forked_process, billing none",
    ]
