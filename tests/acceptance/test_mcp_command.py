"""`stills mcp` with the real client and a real process."""

import asyncio
import base64
import json
import os
import signal
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import pyvips
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters

from stills.contract.request import REQUEST_FIELDS
from stills.contract.size import Size
from stills.imaging.probe import inspect_png

KITE = {"prompt": "a red kite over a beach", "size": "1280x720", "seed": 7}


@pytest.fixture
def connect(command: list[str], environment: dict[str, str], tmp_path: Path) -> Callable[..., Any]:
    """Start `stills mcp` as a client does, in the sandbox unless the test says otherwise."""

    @asynccontextmanager
    async def start(
        *arguments: str, mode: str = "auto", sandbox: bool = True, **variables: str
    ) -> AsyncIterator[Client]:
        parameters = StdioServerParameters(
            command=command[0],
            args=[*command[1:], "mcp", *arguments, *(["--sandbox"] if sandbox else [])],
            env=environment | variables,
            cwd=tmp_path,
        )
        async with Client(parameters, mode=mode, read_timeout_seconds=60) as client:
            yield client

    return start


async def test_the_tools_are_the_contract(connect):
    """image_generate takes the contract's fields and a model, and returns its four fields."""
    async with connect() as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert set(tools) == {
        "image_generate", "image_list", "image_show", "image_delete", "image_job_submit",
        "image_job_status",
    }  # fmt: skip
    tool = tools["image_generate"]
    assert tool.title == "image.generate"
    assert set(tool.input_schema["properties"]) == {*REQUEST_FIELDS, "takes", "model", "fresh"}
    assert tool.input_schema["required"] == ["prompt", "size"]
    assert tool.input_schema["additionalProperties"] is False
    assert all(field["description"] for field in tool.input_schema["properties"].values())
    assert {"image_url", "width", "height", "seed"} <= set(tool.output_schema["required"])
    hints = tool.annotations
    assert (hints.read_only_hint, hints.destructive_hint, hints.idempotent_hint) == (
        False, False, False,
    )  # fmt: skip


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_an_image_is_generated_reported_shown_and_read(connect, mode):
    """Progress first; then values that match the schema, a readable link, and a thumbnail."""
    reported: list[tuple[float, str]] = []

    async def on_progress(progress: float, _: float | None, words: str | None) -> None:
        reported.append((progress, words))

    async with connect(mode=mode) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        made = await client.call_tool("image_generate", KITE, progress_callback=on_progress)
        assert not made.is_error, made.content
        record = made.structured_content
        jsonschema.validate(record, tools["image_generate"].output_schema)
        assert (record["width"], record["height"], record["seed"]) == (1280, 720, 7)
        assert (record["cached"], record["provider"]) == (False, "sandbox")

        link, picture, text = made.content
        assert (link.type, link.mime_type) == ("resource_link", "image/png")
        assert link.uri == f"stills://images/{record['id']}"
        read = await client.read_resource(link.uri)
        png = base64.b64decode(read.contents[0].blob)
        assert read.contents[0].mime_type == "image/png"
        assert inspect_png(png).size == Size(1280, 720)
        assert len(png) == link.size

        jpeg = base64.b64decode(picture.data)
        small = pyvips.Image.new_from_buffer(jpeg, "")
        assert (picture.mime_type, small.width, small.height) == ("image/jpeg", 512, 288)
        assert len(jpeg) < 200_000
        assert record["image_url"] in text.text

    assert [words.partition(" (")[0] for _, words in reported] == [
        "preparing, or waiting for the rate limit",
        "sent; waiting for the image",
        "answered; downloading",
        "stored",
    ]
    numbers = [number for number, _ in reported]
    assert numbers == sorted(set(numbers))


async def test_takes_are_listed_with_a_link_and_a_thumbnail_each(connect):
    """The first take's fields are those of a call without takes."""
    async with connect() as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        made = await client.call_tool("image_generate", KITE | {"takes": 2})
        refused = await client.call_tool("image_generate", KITE | {"takes": 17})
    record = made.structured_content
    jsonschema.validate(record, tools["image_generate"].output_schema)
    assert [take["seed"] for take in record["takes"]] == [7, 8]
    assert {**record["takes"][0], "takes": record["takes"]} == record
    assert [part.type for part in made.content] == ["resource_link", "image", "text"] * 2
    assert "1 to 16" in refused.content[0].text


async def test_references_are_ids_uris_and_files_on_this_machine(connect, tmp_path: Path):
    """One image in four forms is one reference, so only the first call is billed."""
    portrait = {"prompt": "portrait of Anna", "size": "512*512", "seed": 1}
    async with connect(STILLS_MODEL="qwen-image-2.0") as client:
        made = (await client.call_tool("image_generate", portrait)).structured_content
        read = await client.read_resource(f"stills://images/{made['id']}")
        path = tmp_path / "Anna in blue.png"
        path.write_bytes(base64.b64decode(read.contents[0].blob))
        references = [made["id"], f"stills://images/{made['id']}", path.as_uri(), str(path)]
        shots = []
        for reference in references:
            shot = KITE | {"reference_image": reference}
            called = await client.call_tool("image_generate", shot)
            assert not called.is_error, called.content
            shots.append(called.structured_content)
    assert [shot["cached"] for shot in shots] == [False, True, True, True]
    assert len({shot["id"] for shot in shots}) == 1


async def test_a_repeated_call_returns_the_stored_image(connect):
    """A call from another process bills nothing; list and show include the image."""
    async with connect() as client:
        first = (await client.call_tool("image_generate", KITE)).structured_content
    async with connect() as client:
        again = (await client.call_tool("image_generate", KITE)).structured_content
        assert (again["cached"], again["cost_usd"], again["id"]) == (True, 0, first["id"])
        other = {**KITE, "seed": 8}
        second = (await client.call_tool("image_generate", other)).structured_content
        listed = (await client.call_tool("image_list", {"limit": 1})).structured_content
        assert [image["id"] for image in listed["images"]] == [second["id"]]
        everything = (await client.call_tool("image_list", {})).structured_content
        assert [image["id"] for image in everything["images"]] == [second["id"], first["id"]]
        shown = await client.call_tool("image_show", {"id": first["id"]})
        assert shown.structured_content["prompt"] == KITE["prompt"]
        assert [send["billing"] for send in shown.structured_content["sends"]] == ["billed"]
        assert [part.type for part in shown.content] == ["resource_link", "image", "text"]
        resources = (await client.list_resources()).resources
        assert [str(one.uri) for one in resources] == [
            f"stills://images/{image['id']}" for image in everything["images"]
        ]
        templates = (await client.list_resource_templates()).resource_templates
        assert [one.uri_template for one in templates] == ["stills://images/{id}"]


async def test_a_deleted_image_stays_on_the_ledger(connect, run):
    """`stills spend` still counts its call, and the same arguments are billed again."""
    async with connect() as client:
        first = (await client.call_tool("image_generate", KITE)).structured_content
        deleted = await client.call_tool("image_delete", {"id": first["id"]})
        assert deleted.structured_content == {"id": first["id"], "deleted": True}
        assert run("list", "--json").stdout == ""
        again = (await client.call_tool("image_generate", KITE)).structured_content
    assert again["id"] != first["id"]
    assert json.loads(run("spend", "--json").stdout)["billed"] == 2


@pytest.mark.parametrize(
    ("tool", "arguments", "words"),
    [
        ("image_generate", {"prompt": "a kite", "size": "huge"}, "such as 1024*1024"),
        ("image_generate", {"prompt": "a kite", "size": "9*9"}, "64 to 8192 pixels"),
        ("image_generate", {"prompt": "a kite"}, "Add size"),
        ("image_generate", {**KITE, "colour": "red"}, "unknown field 'colour'"),
        ("image_generate", {**KITE, "seed": "7"}, "whole number"),
        ("image_list", {"limit": 0}, "from 1 to 100"),
        ("image_list", {"after": 1}, "unknown argument"),
        ("image_show", {}, "image_list shows the ids"),
    ],
)
async def test_a_bad_argument_is_a_tool_error_with_what_to_do(connect, tool, arguments, words):
    """It says what happened, what it means for money, and what to do."""
    async with connect() as client:
        refused = await client.call_tool(tool, arguments)
    assert refused.is_error
    (text,) = refused.content
    assert text.text.startswith("invalid_request: ")
    assert "This call billed nothing. " in text.text
    assert words in text.text
    assert "Traceback" not in text.text


async def test_an_unknown_id_is_a_tool_error_that_names_the_list(connect):
    """Its code is that of every front end."""
    async with connect() as client:
        refused = await client.call_tool("image_show", {"id": "nothing"})
    assert refused.is_error
    (text,) = refused.content
    assert text.text.startswith("not_found: no image has the id 'nothing'. ")
    assert "This call billed nothing. image_list shows the ids." in text.text


async def test_a_refusal_of_the_service_is_a_tool_error(connect, service):
    """It has our error code and says what to do."""
    service.set_faults({"kind": "content_refused"})
    async with connect("--debug", sandbox=False, **service.variables) as client:
        refused = await client.call_tool("image_generate", KITE)
    assert refused.is_error
    assert refused.content[0].text.startswith("content_refused: ")
    assert "Rephrase the prompt" in refused.content[0].text


async def test_a_cancelled_call_is_paid_for_once(connect, start_service):
    """A client that cancels after the send and calls again gets the one image."""
    slow = start_service("--latency", "1.5")
    sent = asyncio.Event()

    async def on_progress(_: float, __: float | None, words: str | None) -> None:
        if words.startswith("sent"):
            sent.set()

    async with connect("--debug", sandbox=False, **slow.variables) as client:
        calling = asyncio.create_task(
            client.call_tool("image_generate", KITE, progress_callback=on_progress)
        )
        await asyncio.wait_for(sent.wait(), 60)
        calling.cancel()
        await asyncio.gather(calling, return_exceptions=True)
        assert calling.cancelled()
        again = await client.call_tool("image_generate", KITE)
    assert not again.is_error
    assert slow.billed() == 1


async def test_an_image_is_stored_after_the_client_closes(
    command, environment, start_service, rows, wait_until
):
    """Stdin closes and SIGTERM arrives while the call is in flight: the image is stored."""
    slow = start_service("--latency", "1.5")
    with subprocess.Popen(
        [*command, "mcp"],
        env=environment | slow.variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        _begin(process, KITE)
        wait_until(lambda: _stages(rows) == ["sent"])
        process.stdin.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
    assert _stages(rows) == ["kept"]
    assert slow.billed() == 1


async def test_sigterm_ends_it_while_standard_input_is_open(
    command, environment, start_service, rows, wait_until
):
    """The call in flight is finished and stored first."""
    slow = start_service("--latency", "1.5")
    with subprocess.Popen(
        [*command, "mcp"],
        env=environment | slow.variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        _begin(process, KITE)
        wait_until(lambda: _stages(rows) == ["sent"])
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
    assert _stages(rows) == ["kept"]


async def test_a_missing_key_is_a_tool_error(connect):
    """The agent never sees the server's standard error, so the tool must report it."""
    async with connect(sandbox=False) as client:
        assert not (await client.call_tool("image_list", {})).is_error
        refused = await client.call_tool("image_generate", KITE)
    assert refused.is_error
    assert "missing_key" in refused.content[0].text
    assert "Ask the user to set DASHSCOPE_API_KEY" in refused.content[0].text


def _begin(process: "subprocess.Popen[str]", arguments: dict[str, Any]) -> None:
    """Do the handshake and call image_generate, without waiting for the answer."""
    hello = {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "0"},
    }
    messages = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {
            "jsonrpc": "2.0",
            "id": 2,
            "method": "tools/call",
            "params": {"name": "image_generate", "arguments": arguments},
        },
    ]
    for message in messages:
        process.stdin.write(json.dumps(message) + os.linesep)
    process.stdin.flush()
    assert json.loads(process.stdout.readline())["id"] == 1


def _stages(rows: Callable[..., list[tuple[Any, ...]]]) -> list[str]:
    try:
        return [stage for (stage,) in rows("SELECT stage FROM generations")]
    except sqlite3.OperationalError:  # the catalog does not exist yet
        return []
