"""The MCP server over streamable HTTP, mounted as in the HTTP service."""

import asyncio
import base64
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
import uvicorn
from mcp.client import Client
from mcp.shared.exceptions import MCPError
from starlette.applications import Starlette
from starlette.routing import Route

from stills.app import Stills
from stills.contract.generation import Stage
from stills.contract.request import ImageRequest
from stills.contract.result import ImageResult
from stills.mcp.http import make_http_app
from stills.mcp.server import make_server
from stills.service.deletion import delete_image
from stills.service.progress import OnTakeProgress

KITE = {"prompt": "a red kite over a beach", "size": "512*512"}


@pytest.fixture
def serve() -> Callable[..., Any]:
    """Serve an MCP server at /mcp on a free port."""

    @asynccontextmanager
    async def start(stills: Stills, **hooks: Any) -> AsyncIterator[str]:
        async def generate(
            _: object,
            request: ImageRequest,
            *,
            takes: int,
            model: str | None,
            fresh: bool,
            on_progress: OnTakeProgress,
        ) -> Sequence[ImageResult]:
            return await stills.generate_takes(
                request,
                takes=takes,
                model=model,
                fresh=fresh,
                on_stage=lambda take, stage: on_progress(take, stage, 0),
            )

        async def delete(_: object, image_id: str) -> None:
            await delete_image(stills, image_id, owner=None, anyone=False)

        @asynccontextmanager
        async def run(app: Starlette) -> AsyncIterator[None]:
            async with make_http_app(
                make_server(stills, **{"generate": generate, "delete": delete, **hooks}),
                body_max_bytes=1_000_000,
            ) as mounted:
                app.router.routes.append(Route("/mcp", endpoint=mounted))
                yield

        with socket.create_server(("127.0.0.1", 0)) as listening:
            config = uvicorn.Config(Starlette(lifespan=run), log_config=None, ws="none")
            server = uvicorn.Server(config)
            serving = asyncio.create_task(server.serve(sockets=[listening]))
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/mcp"
            server.should_exit = True
            await serving

    return start


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_an_image_is_generated_over_http(serve, stills, mode):
    """It uses the service's generation and URL, reports progress, and has the PNG as a resource."""
    messages: list[str] = []

    async def on_progress(_: float, __: float | None, message: str | None) -> None:
        messages.append(message.partition(" (")[0])

    paths: list[str] = []

    async def generate(
        http_request: Any,
        request: ImageRequest,
        *,
        takes: int,
        model: str | None,
        fresh: bool,
        on_progress: OnTakeProgress,
    ) -> Sequence[ImageResult]:
        assert not fresh
        paths.append(http_request.url.path)
        on_progress(0, Stage.CLAIMED, 2)
        return await stills.generate_takes(
            request,
            takes=takes,
            model=model,
            on_stage=lambda take, stage: on_progress(take, stage, 0),
        )

    hooks = {
        "generate": generate,
        "image_url": lambda request, image_id, _: f"{request.base_url}images/{image_id}.png",
    }
    async with serve(stills, **hooks) as url, Client(url, mode=mode) as client:
        made = await client.call_tool("image_generate", KITE, progress_callback=on_progress)
        record = made.structured_content
        assert record["image_url"] == url.replace("/mcp", f"/images/{record['id']}.png")
        assert paths == ["/mcp"]
        assert messages[-1] == "stored"
        assert any(message.endswith("number 2 in the queue") for message in messages)
        read = await client.read_resource(made.content[0].uri)
        assert base64.b64decode(read.contents[0].blob).startswith(b"\x89PNG")


async def test_a_stored_image_is_a_reference_by_its_uri(serve, stills, sandbox):
    """A portrait is the reference of a shot, with a model that takes one."""
    async with serve(stills) as url, Client(url) as client:
        portrait = await client.call_tool("image_generate", KITE)
        shot = {**KITE, "reference_image": portrait.content[0].uri, "model": "qwen-image-2.0"}
        made = await client.call_tool("image_generate", shot)
        assert made.structured_content["model"] == "qwen-image-2.0"
        refused = await client.call_tool("image_generate", {**KITE, "model": "qwen"})
    assert "unknown_model" in refused.content[0].text
    assert [len(send.content) for send in sandbox.ledger.generations] == [1, 2]


async def test_a_size_may_be_a_ratio_a_tier_or_that_of_the_reference(serve, stills):
    """The result has the actual width and height."""
    async with serve(stills) as url, Client(url) as client:
        wide = await client.call_tool("image_generate", {**KITE, "size": "1K 2:1"})
        edit = {**KITE, "size": "auto", "model": "qwen-image-2.0"}
        edit["reference_image"] = wide.content[0].uri
        edited = await client.call_tool("image_generate", edit)
    for made in (wide, edited):
        content = made.structured_content
        assert (content["width"], content["height"]) == (1456, 720)


async def test_several_stored_images_are_references_in_order(serve, stills, sandbox):
    """The shot lists them, and another order is another image."""
    edit = {**KITE, "model": "qwen-image-2.0"}
    async with serve(stills) as url, Client(url) as client:
        portraits = [
            (await client.call_tool("image_generate", {**KITE, "seed": seed})).content[0].uri
            for seed in (1, 2)
        ]
        shots = [
            await client.call_tool("image_generate", {**edit, "reference_images": order})
            for order in (portraits, portraits[::-1])
        ]
        shown = [
            await client.call_tool("image_show", {"id": shot.structured_content["id"]})
            for shot in shots
        ]
        too_many = await client.call_tool(
            "image_generate", {**edit, "reference_images": portraits * 2}
        )
    digests = [
        [one["digest"] for one in detail.structured_content["references"]] for detail in shown
    ]
    assert digests[0] == digests[1][::-1] != digests[1]
    assert "4 reference images, 1 over" in too_many.content[0].text
    assert len(sandbox.ledger.generations) == 4


async def test_fresh_pays_for_a_new_image(serve, stills, sandbox):
    """Only true does; other values are rejected."""
    async with serve(stills) as url, Client(url) as client:
        first, same, new = [
            (await client.call_tool("image_generate", KITE | fresh)).structured_content
            for fresh in ({}, {"fresh": False}, {"fresh": True})
        ]
        refused = await client.call_tool("image_generate", KITE | {"fresh": "yes"})
    assert same["id"] == first["id"] != new["id"]
    assert sandbox.ledger.billed_images == 2
    assert "fresh is neither true nor false" in refused.content[0].text


async def test_any_worker_answers_any_request(serve, stills, make_stills):
    """Two servers on one catalog, without sessions: one shows what the other generated."""
    async with serve(stills) as one, serve(await make_stills()) as other:
        async with Client(one) as client:
            made = (await client.call_tool("image_generate", KITE)).structured_content
        async with Client(other) as client:
            shown = await client.call_tool("image_show", {"id": made["id"]})
            again = (await client.call_tool("image_generate", KITE)).structured_content
    assert shown.structured_content["sha256"]
    assert again["cached"]


async def test_a_remote_caller_is_shown_no_path_of_this_machine(serve, stills, tmp_path):
    """An error about a lost image does not say where it was stored."""
    async with serve(stills) as url, Client(url) as client:
        made = (await client.call_tool("image_generate", KITE)).structured_content
        for path in (tmp_path / "images").rglob("*.png"):
            path.unlink()
        refused = await client.call_tool("image_generate", {**KITE, "size": "256*256"})
        assert refused.is_error
        assert str(tmp_path) not in refused.content[0].text
        assert "operator of this service" in refused.content[0].text
        shown = await client.call_tool("image_show", {"id": made["id"]})
        assert [part.type for part in shown.content] == ["resource_link", "text"]


async def test_an_unknown_id_is_not_found(serve, stills):
    """The answer names the tool that lists the ids."""
    async with serve(stills) as url, Client(url) as client:
        refused = await client.call_tool("image_show", {"id": "nothing"})
    assert refused.content[0].text == (
        "not_found: no image has the id 'nothing'. This call billed nothing. image_list shows the "
        "ids."
    )


async def test_a_deleted_image_is_billed_again(serve, stills, sandbox):
    """The answer says so; the image, its resource and its tools are gone."""
    async with serve(stills) as url, Client(url) as client:
        made = await client.call_tool("image_generate", KITE)
        image_id = made.structured_content["id"]
        deleted = await client.call_tool("image_delete", {"id": image_id})
        assert deleted.structured_content == {"id": image_id, "deleted": True}
        assert deleted.content[0].text == (
            f"Deleted {image_id} in all its sizes. The ledger keeps the calls that paid for it, "
            "and spending and budgets still count them. An equal request is billed again."
        )
        twice = await client.call_tool("image_delete", {"id": image_id})
        assert twice.content[0].text.startswith("not_found: ")
        assert not (await client.call_tool("image_list", {})).structured_content["images"]
        with pytest.raises(MCPError, match="not_found"):
            await client.read_resource(made.content[0].uri)
        again = await client.call_tool("image_generate", KITE)
    assert not again.structured_content["cached"]
    assert sandbox.ledger.billed_images == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [({}, "id is missing"), ({"id": 7}, "id is missing"), ({"id": "a", "all": True}, "'all'")],
)
async def test_a_deletion_takes_one_id(serve, stills, arguments, words):
    """Anything else deletes nothing."""
    async with serve(stills) as url, Client(url) as client:
        refused = await client.call_tool("image_delete", arguments)
    assert refused.is_error
    assert words in refused.content[0].text


async def test_a_get_is_refused(serve, stills):
    """The server sends nothing outside a call, so it holds no connection open."""
    async with (
        serve(stills) as url,
        aiohttp.ClientSession() as session,
        session.get(url, headers={"Accept": "text/event-stream"}) as answer,
    ):
        assert answer.status == 405
