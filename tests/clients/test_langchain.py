"""LangChain's wrapper of OpenAI's image API works with `stills serve`."""

import pytest
from tests.clients.matrix import shows


@pytest.fixture(scope="module")
def did(run_python, service):
    return run_python("langchain", "langchain_client.py", f"{service.url}/v1")


@shows("the image tool, with several images", "langchain")
def test_the_tool_returns_links_that_open(did):
    """It reads only `url`, and the model of another generation is mapped by an alias."""
    assert did["generate"] == {"did": [[1024, 1024], [1024, 1024]]}
