"""Names of models: aliases for each purpose, and names with slashes."""

import aiohttp
import openai
import pytest
import pyvips
from tests.http.conftest import Serve

from stills.config import read_config
from stills.contract.errors import ConfigError
from stills.sandbox import Sandbox

PICTURE = ("a.png", pyvips.Image.black(64, 64, bands=3).pngsave_buffer(), "image/png")


@pytest.mark.parametrize("name", ["gpt-image-1", "openai/gpt-image-2"])
async def test_an_alias_may_stand_for_another_model_in_edits(
    serve: Serve, sandbox: Sandbox, name: str
):
    """One name of a client generates with the default model and edits with one that can."""
    aliases = {name: "qwen-image-max", f"{name}@edit": "qwen-image-2.0"}
    async with openai.AsyncOpenAI(
        api_key="any", base_url=await serve(model_aliases=aliases)
    ) as client:
        await client.images.generate(prompt="a red kite", model=name)
        edited = await client.images.edit(image=PICTURE, prompt="at dusk", model=name)
        assert list(edited.data[0].model_dump(exclude_none=True)) == ["b64_json"]
        assert (await client.models.retrieve(name)).id == name
        listed = [model.id async for model in client.models.list()]
    assert listed.count(name) == 1
    assert not any("@" in one for one in listed)
    assert [send.model for send in sandbox.ledger.generations] == [
        "qwen-image-max",
        "qwen-image-2.0",
    ]


@pytest.mark.parametrize(
    ("model", "variable"),
    [
        ("gpt-image-1", "STILLS_MODEL_ALIASES=gpt-image-1@edit=qwen-image-2.0"),
        (None, "STILLS_MODEL_ALIASES=qwen-image-max@edit=qwen-image-2.0"),
    ],
)
async def test_a_text_only_model_asked_to_edit_names_the_variable(
    serve: Serve, http: aiohttp.ClientSession, model: str | None, variable: str
):
    """On OpenAI's routes and on the contract's; following the advice solves it."""
    aliases = {"gpt-image-1": "qwen-image-max"}
    url = await serve(model_aliases=aliases)
    portrait = {"prompt": "Ada", "size": "512*512"}
    async with http.post(f"{url}/v1/image.generate", json=portrait) as answer:
        image = (await answer.json())["id"]
    fields = {"prompt": "at dusk", "size": "512*512", "model": model}
    asked = (
        ("/v1/images/edits", fields | {"image": image}, "image"),
        ("/v1/image.generate", fields | {"reference_image": image}, "reference_image"),
    )
    for path, body, param in asked:
        async with http.post(f"{url}{path}", json=body) as answer:
            error = (await answer.json())["error"]
            assert answer.status == 400
        assert error["param"] == param
        assert variable in error["message"]
    name, _, target = variable.partition("=")[2].rpartition("=")
    advised = await serve(model_aliases=aliases | {name: target})
    for path, body, _ in asked:
        async with http.post(f"{advised}{path}", json=body) as answer:
            assert answer.status == 200, await answer.text()


def test_an_alias_for_edits_names_a_model_that_can():
    """A mistake is reported at the start, not to every client."""
    good = "gpt-image-1=qwen-image-max, gpt-image-1@edit=qwen-image-2.0"
    assert read_config({"STILLS_MODEL_ALIASES": good}).model_aliases == {
        "gpt-image-1": "qwen-image-max",
        "gpt-image-1@edit": "qwen-image-2.0",
    }
    with pytest.raises(ConfigError, match="gpt-image-1@edit to qwen-image-max"):
        read_config({"STILLS_MODEL_ALIASES": "gpt-image-1@edit=qwen-image-max"})
