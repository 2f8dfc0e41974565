"""A model of the user's own file, through every front end."""

import json
import os
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest
from mcp.client import Client
from tests.support.running_service import serving

from stills.app import Stills
from stills.config import read_config
from stills.contract.errors import ConfigError, InvalidRequest
from stills.contract.request import ImageRequest
from stills.http.settings import Settings
from stills.mcp.server import make_server

STILLS = Path(sys.executable).with_name("stills")
FILE = '["my-image-1.0"]\nlike = "qwen-image-2.0"\nprompt_max_tokens = 5\nimage_usd = 0.01\n'
OURS = "my-image-1.0"


@pytest.fixture
def environment(tmp_path):
    """An environment with a file of models."""
    (tmp_path / "models.toml").write_text(FILE, encoding="utf-8")
    return {
        "HOME": str(tmp_path),
        "OUTPUT_DIR": str(tmp_path / "out"),
        "STILLS_MODELS": str(tmp_path / "models.toml"),
        "STILLS_MODEL_ALIASES": f"gpt-image-1={OURS}",
    }


async def test_requests_and_prices_use_it(environment):
    """Its limits and its price count."""
    async with Stills.from_env(sandbox=True, environment=environment) as stills:
        request = ImageRequest(prompt="fox " * 8, size="512*512")
        assert stills.price_usd(request, model=OURS) == 0.01
        with pytest.raises(InvalidRequest, match=f"3 over {OURS}'s limit of 5"):
            await stills.generate(request, model=OURS)
        with pytest.raises(InvalidRequest, match="not in the model table") as caught:
            await stills.generate(request, model="my-image")
        assert OURS in caught.value.action


async def test_the_embedded_sandbox_serves_it(environment):
    """By the rules of the model that it is like."""
    async with Stills.from_env(sandbox=True, environment=environment) as stills:
        made = await stills.generate(ImageRequest(prompt="a fox", size="640*512"), model=OURS)
        assert OURS in await stills.models.list_served()
    assert (made.model, made.native_size, made.cost_usd) == (OURS, "640*512", 0.01)


async def test_http_lists_it_and_its_alias(environment):
    """Clients choose from this list."""
    config = read_config(environment)
    async with Stills.from_env(sandbox=True, environment=environment) as stills:
        settings = Settings(model=config.model, model_aliases=config.model_aliases)
        async with serving(stills, settings) as url, aiohttp.ClientSession() as http:
            async with http.get(f"{url}/v1/models") as answer:
                ids = [model["id"] for model in (await answer.json())["data"]]
            body = {"prompt": "fox " * 8, "model": "gpt-image-1"}
            for route in ("image.generate", "images/generations"):
                sized = body | {"size": "512*512"}
                async with http.post(f"{url}/v1/{route}", json=sized) as answer:
                    assert f"{OURS}'s limit" in (await answer.json())["error"]["message"]
    assert {OURS, "gpt-image-1"} <= set(ids)


async def test_mcp_offers_it(environment):
    """Agents choose from the enum."""
    async with Stills.from_env(sandbox=True, environment=environment) as stills:
        server = make_server(stills, generate=None, delete=None)
        async with Client(server) as client:
            tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert OURS in tools["image_generate"].input_schema["properties"]["model"]["enum"]


def test_the_command_line_takes_it_and_reports_a_bad_file(environment, tmp_path):
    """Every command fails at start-up, with exit code 2 and one line."""

    def run(*arguments):
        return subprocess.run(
            [STILLS, *arguments],
            env=os.environ | environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    request = json.dumps({"prompt": "fox " * 8, "size": "512*512"})
    done = run("generate", "--request", request, "--model", OURS, "--sandbox")
    assert done.returncode == 2
    assert f"{OURS}'s limit of 5" in done.stderr
    (tmp_path / "models.toml").write_text(f"{FILE}sizes = 3\n", encoding="utf-8")
    done = run("list")
    assert done.returncode == 2
    assert "['my-image-1.0']: sizes is 3" in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_alias_of_an_unknown_model_is_refused(environment):
    """It may name models of the file only if there is such a table."""
    with pytest.raises(ConfigError, match="STILLS_MODEL_ALIASES maps a to 'my-image'"):
        read_config(environment | {"STILLS_MODEL_ALIASES": "a=my-image"})
