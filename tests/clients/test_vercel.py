"""Vercel's AI SDK works with `stills serve`, with both of its OpenAI adapters."""

import pytest
from tests.clients.matrix import shows

BOTH = ("vercel-openai", "vercel-compatible")


@pytest.fixture(scope="module", params=["openai", "compatible"])
def did(request, run_node, service):
    return run_node("vercel", "client.mjs", request.param, f"{service.url}/v1")


@shows("generate", *BOTH)
def test_an_image_has_the_size_that_was_requested(did):
    """The adapter reads the image from `b64_json`."""
    assert did["generate"] == {"did": [1536, 1024]}


@shows("n different images of one prompt", *BOTH)
def test_three_images_of_one_prompt_are_different(did):
    """They come from one call with `n`, or from three."""
    assert did["three"] == {"did": 3}


@shows("edit several files", *BOTH)
def test_two_files_are_edited_into_one_image(did):
    """Images in the prompt make the adapter call the route for edits."""
    assert did["edit_two"] == {"did": [1024, 1024]}
