"""pydantic-ai generates images through `stills serve`."""

import pytest
from tests.clients.matrix import shows


@pytest.fixture(scope="module")
def did(run_python, service):
    return run_python("pydantic-ai", "pydantic_ai_client.py", f"{service.url}/v1")


@shows("generate", "pydantic-ai")
def test_an_image_has_the_ratio_that_was_requested(did):
    """The library makes OpenAI's size of it."""
    assert did["generate"] == {"did": ["image/png", [1536, 1024]]}


@shows("edit several files", "pydantic-ai")
def test_two_images_are_edited_into_one(did):
    """Without a size, the result has the ratio of the first image."""
    assert did["edit_two"] == {"did": ["image/png", [1024, 1024]]}


@shows("WebP", "pydantic-ai")
def test_an_image_comes_in_the_requested_format(did):
    """The library believes the format that the answer names, and the bytes agree."""
    assert did["webp"] == {"did": ["image/webp", "WEBP"]}


@shows("the image tool of an agent", "pydantic-ai")
def test_the_tool_of_an_agent_makes_an_image(did):
    """The agent calls the tool and gets the image."""
    assert did["tool"] == {"did": [["generate_image", [1024, 1024]]]}
