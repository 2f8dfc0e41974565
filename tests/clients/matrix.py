"""The clients of these tests, and docs/clients.md, which is made from them and from the tests."""

import importlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FunctionType
from typing import TypeVar

from tests.clients import install

Test = TypeVar("Test", bound=Callable[..., object])


@dataclass(frozen=True)
class Client:
    """A public client: where its pinned version is, and what its users set."""

    name: str
    package: str
    lock: str
    """A lock file of python/, or with a slash the folder of a package-lock.json."""
    setting: str
    limits: str = ""
    """What does not work, and why."""

    @property
    def version(self) -> str:
        """The version that is installed and tested."""
        if self.lock.startswith("node/"):
            locked = json.loads((install.HERE / self.lock / "package-lock.json").read_text())
            return locked["packages"][f"node_modules/{self.package}"]["version"]
        text = (install.HERE / "python" / f"{self.lock}.lock").read_text()
        found = re.search(rf"^{re.escape(self.package)}(?:\[[^]]+\])?==(\S+)", text, re.MULTILINE)
        assert found, f"{self.package} is not in {self.lock}.lock"
        return found[1]


def shows(what: str, *clients: str) -> Callable[[Test], Test]:
    """Note on a test what it shows to work, and with which clients, by key of `CLIENTS`."""

    def note(test: Test) -> Test:
        assert set(clients) <= set(CLIENTS), clients
        vars(test)["shows"] = (what, clients)
        return test

    return note


def shown() -> dict[str, list[str]]:
    """Return what the tests show to work with each client, in the order of the tests."""
    works: dict[str, list[str]] = {key: [] for key in CLIENTS}
    for what, clients in _notes():
        for key in clients:
            works[key].append(what)
    return works


def _notes() -> Iterator[tuple[str, tuple[str, ...]]]:
    for path in sorted(install.HERE.glob("test_*.py")):
        module = importlib.import_module(f"tests.clients.{path.stem}")
        for test in vars(module).values():
            if isinstance(test, FunctionType) and "shows" in vars(test):
                yield vars(test)["shows"]


MODEL_ALIASES = "gpt-image-1=qwen-image-max,gpt-image-1@edit=qwen-image-2.0,dall-e-3=qwen-image-max"

BASE_URL = "`base_url`"
NODE_BASE_URL = BASE_URL.replace("base_url", "baseURL")
ALIASES = ", aliases"
MCP = "the command `stills mcp`, or the URL with `/mcp`"
DASHSCOPE = "the variables that `stills sandbox` prints"

CLIENTS = {
    "openai-python": Client("OpenAI for Python", "openai", "openai", BASE_URL + ALIASES),
    "openai-node": Client("OpenAI for Node", "openai", "node/openai", NODE_BASE_URL + ALIASES),
    "dashscope-1.24": Client(
        "DashScope SDK", "dashscope", "dashscope-1.24", DASHSCOPE, "It has no asynchronous tasks"
    ),
    "dashscope-1": Client("DashScope SDK", "dashscope", "dashscope-1", DASHSCOPE),
    "dashscope-2": Client("DashScope SDK", "dashscope", "dashscope-2", DASHSCOPE),
    "dashscope-command": Client("DashScope command line", "dashscope", "dashscope-2", DASHSCOPE),
    "mcp-python-1": Client("MCP for Python", "mcp", "mcp-1", MCP),
    "mcp-python-2": Client("MCP for Python", "mcp", "mcp-2", MCP),
    "fastmcp": Client("FastMCP", "fastmcp", "fastmcp", MCP),
    "mcp-typescript-1": Client("MCP for TypeScript", "@modelcontextprotocol/sdk", "node/mcp", MCP),
    "mcp-typescript-2": Client(
        "MCP for TypeScript", "@modelcontextprotocol/client", "node/mcp", MCP
    ),
    "mcp-inspector": Client(
        "MCP inspector", "@modelcontextprotocol/inspector", "node/inspector", MCP
    ),
    "litellm": Client("LiteLLM", "litellm", "litellm", "`api_base`" + ALIASES),
    "litellm-dashscope": Client(
        "LiteLLM, provider `dashscope`",
        "litellm",
        "litellm",
        "`api_base`, with the path `/api/v1/services/aigc/multimodal-generation/generation`, "
        "because LiteLLM completes only Alibaba's own addresses",
    ),
    "vercel-openai": Client(
        "Vercel AI SDK", "@ai-sdk/openai", "node/vercel", NODE_BASE_URL + ALIASES
    ),
    "vercel-compatible": Client(
        "Vercel AI SDK", "@ai-sdk/openai-compatible", "node/vercel", NODE_BASE_URL + ALIASES
    ),
    "pydantic-ai": Client(
        "pydantic-ai",
        "pydantic-ai-slim",
        "pydantic-ai",
        "`base_url` of `OpenAIProvider`" + ALIASES,
        "Its native tool needs `/v1/responses`, so choose the model with `fallback_image_model`",
    ),
    "langchain": Client("LangChain", "langchain-community", "langchain", BASE_URL + ALIASES),
    "mulmocast": Client("MulmoCast", "mulmocast", "node/mulmocast", "`OPENAI_BASE_URL`" + ALIASES),
}
