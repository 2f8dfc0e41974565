"""Stills as its users create, call and close it."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import stills as package
from stills import ImageRequest, Stills, generate
from stills.contract.errors import (
    AccessError,
    ConfigError,
    InvalidReference,
    InvalidRequest,
    MissingKey,
    UnknownModel,
)
from stills.contract.generation import Stage

SOURCES = Path(package.__file__).resolve().parents[1]
KITE = ImageRequest(prompt="a red kite", size="512*512", seed=1)


@pytest.fixture
def environment(tmp_path) -> dict[str, str]:
    """A new user: no key, an empty home, no images."""
    return {"HOME": str(tmp_path / "home"), "OUTPUT_DIR": str(tmp_path / "out")}


@pytest.fixture
async def embedded(environment):
    """Stills with an embedded sandbox."""
    async with Stills.from_env(sandbox=True, environment=environment) as stills:
        yield stills


def file_of(url: str) -> Path:
    return Path(unquote(urlsplit(url).path))


def run_script(
    script: str, environment: dict[str, str], folder: Path
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(SOURCES)} | environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def test_the_environment_is_enough_to_generate(embedded, tmp_path):
    """With an embedded sandbox nothing else is needed; the image is stored below OUTPUT_DIR."""
    stages: list[Stage] = []
    result = await embedded.generate(KITE, on_stage=stages.append)
    assert (result.width, result.height, result.seed, result.cached) == (512, 512, 1, False)
    assert result.provider == "sandbox"
    assert stages[-3:] == [Stage.SENT, Stage.ANSWERED, Stage.KEPT]
    path = file_of(result.image_url)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert path.is_relative_to(tmp_path / "out" / "ai-image-qwen-image" / "images")


async def test_explicit_ports_are_enough_to_generate(stills, sandbox):
    """Without any environment variable."""
    assert (await stills.generate(KITE)).cached is False
    assert len(sandbox.ledger.generations) == 1


async def test_the_model_of_the_call_wins_over_that_of_the_environment(environment, sandbox):
    """Both are exact ids, and an unknown one is rejected before anything is sent."""
    variables = {
        "STILLS_MODEL": "qwen-image-2.0",
        "DASHSCOPE_API_KEY": "sk-sandbox",
        "DASHSCOPE_HTTP_BASE_URL": sandbox.base_url,
    }
    async with Stills.from_env(environment=environment | variables) as stills:
        await stills.generate(KITE)
        await stills.generate(KITE, model="qwen-image-max")
        with pytest.raises(UnknownModel):
            await stills.generate(KITE, model="qwen-image")
    assert [send.model for send in sandbox.ledger.generations] == [
        "qwen-image-2.0",
        "qwen-image-max",
    ]


@pytest.mark.parametrize(
    ("variables", "error"),
    [
        ({}, MissingKey),
        ({"DASHSCOPE_API_KEY": "sk-sandbox"}, AccessError),
        ({"DASHSCOPE_API_KEY": "sk-a", "DASHSCOPE_HTTP_BASE_URL": "nowhere"}, AccessError),
        ({"DASHSCOPE_API_KEY": "sk-a", "STILLS_DEADLINE_SECONDS": "soon"}, ConfigError),
        ({"DASHSCOPE_API_KEY": "sk-a", "STILLS_STORE": "memory:///"}, ConfigError),
    ],
)
def test_an_invalid_environment_is_rejected_at_once(environment, variables, error):
    """Before anything is opened; it never falls back to the sandbox."""
    with pytest.raises(error):
        Stills.from_env(environment=environment | variables)
    assert not Path(environment["OUTPUT_DIR"]).exists()


async def test_closing_is_safe_at_any_time(environment):
    """Unused, used, and closed already."""
    unused = Stills.from_env(sandbox=True, environment=environment)
    await unused.close()
    await unused.close()
    assert not Path(environment["OUTPUT_DIR"]).exists()
    async with Stills.from_env(sandbox=True, environment=environment) as used:
        await used.generate(KITE)
        await used.close()


async def test_a_use_after_the_close_says_that_it_is_closed(environment):
    """The error does not blame the disk or the service."""
    async with Stills.from_env(sandbox=True, environment=environment) as used:
        await used.generate(KITE)
    for use in (used.generate(KITE), used.images.list(), used.images.verify()):
        with pytest.raises(RuntimeError, match="is closed"):
            await use


def test_another_event_loop_is_rejected(environment):
    """A second asyncio.run, or another thread's loop; the first loop can still close it."""
    stills = Stills.from_env(sandbox=True, environment=environment)

    async def use() -> None:
        async with stills:
            await stills.generate(KITE)
            with pytest.raises(RuntimeError, match="belongs to the event loop"):
                await asyncio.to_thread(asyncio.run, stills.generate(KITE))

    asyncio.run(use())


def test_a_forked_child_is_rejected(environment, tmp_path):
    """Its copy has no running threads, so it would hang."""
    script = """
import asyncio, os, sys
from stills import ImageRequest, Stills

async def main():
    async with Stills.from_catalog() as stills:
        await stills.images.list()
        child = os.fork()
        if child == 0:
            try:
                asyncio.run(stills.images.list())
            except RuntimeError as error:
                print(error, flush=True)
            os._exit(0)
        os.waitpid(child, 0)
        print(len(await stills.images.list()))

asyncio.run(main())
"""
    done = run_script(script, environment, tmp_path)
    assert "belongs to the event loop and process" in done.stdout, done.stderr
    assert done.stdout.endswith("0\n")


@pytest.mark.parametrize("cap", [float("nan"), float("inf"), -1, "1", True])
async def test_an_invalid_cap_is_rejected(embedded, cap):
    """Before anything is sent, for one request and for many."""
    with pytest.raises(InvalidRequest, match="the maximum cost is"):
        await embedded.generate(KITE, max_cost_usd=cap)
    with pytest.raises(InvalidRequest, match="the maximum cost is"):
        await anext(embedded.generate_many([KITE], max_cost_usd=cap))


@pytest.mark.parametrize("model", [3, ["qwen-image-max"], b"qwen-image-max"])
async def test_a_model_that_is_not_a_string_is_rejected(embedded, model):
    """Like an id that is not in the table."""
    with pytest.raises(UnknownModel, match="is not in the model table"):
        await embedded.generate(KITE, model=model)


@pytest.mark.parametrize("model", ["", "qwen"])
async def test_an_unknown_model_is_not_replaced_by_the_default(embedded, model):
    """Nor is an empty one: a script's variable may be unset."""
    with pytest.raises(UnknownModel):
        await embedded.generate(KITE, model=model)


async def test_an_object_that_is_not_a_request_gets_a_helpful_error(embedded):
    """Many would pass a dict."""
    with pytest.raises(InvalidRequest, match="is a dict") as refused:
        await embedded.generate({"prompt": "a kite", "size": "64*64"})
    assert "ImageRequest.from_mapping" in refused.value.action


async def test_the_synchronous_call_is_rejected_inside_a_loop():
    """It would block the loop; the error says what to use there."""
    with pytest.raises(RuntimeError, match=r"use `Stills`|Stills\.from_env"):
        generate(KITE, sandbox=True)


def test_the_synchronous_call_works_in_a_plain_script(environment, tmp_path):
    """One import, one call."""
    script = (
        "from stills import ImageRequest, generate\n"
        "result = generate(ImageRequest(prompt='a kite', size='512*512'), sandbox=True)\n"
        "print(result.width, result.height)\n"
    )
    done = run_script(script, environment, tmp_path)
    assert (done.stdout, done.stderr, done.returncode) == ("512 512\n", "", 0)


async def test_untrusted_references_are_neither_read_nor_fetched_locally(environment, tmp_path):
    """Paths and local addresses are rejected, by generate and find_statuses."""
    (tmp_path / "a.png").write_bytes(b"secret")
    given = [str(tmp_path / "a.png"), "https://localhost/a.png", "https://169.254.169.254/a.png"]
    requests = [ImageRequest(prompt="a kite", size="512*512", reference_image=one) for one in given]
    async with Stills.from_env(
        sandbox=True, guard_references=True, environment=environment
    ) as guarded:
        for standing in await guarded.find_statuses(requests, model="qwen-image-2.0"):
            assert isinstance(standing.error, InvalidReference)
        for request in requests:
            with pytest.raises(InvalidReference):
                await guarded.generate(request, model="qwen-image-2.0")
        assert await guarded.images.list() == []


def test_the_public_names_are_those_of_all():
    """Sorted, and all exist."""
    assert list(package.__all__) == sorted(package.__all__)
    assert all(hasattr(package, name) for name in package.__all__)
