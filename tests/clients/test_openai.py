"""OpenAI's packages for Python and Node generate, edit and stream through `stills serve`."""

import pytest
from tests.clients.matrix import shows

BOTH = ("openai-python", "openai-node")


@pytest.fixture(scope="module")
def python(run_python, service):
    return run_python("openai", "openai_client.py", f"{service.url}/v1")


@pytest.fixture(scope="module")
def node(run_node, service):
    return run_node("openai", "client.mjs", f"{service.url}/v1")


@pytest.fixture(params=["python", "node"])
def did(request):
    return request.getfixturevalue(request.param)


@shows("generate, in OpenAI's sizes", *BOTH)
def test_an_image_has_the_size_that_was_requested(did):
    """A model name and options of OpenAI's own make an image of the requested size."""
    assert did["generate"] == {"did": [1536, 1024]}


@shows("edit several files", *BOTH)
def test_two_files_are_edited_into_one_image(did):
    """The package's multipart form with two files reaches a model that edits."""
    assert did["edit_two"] == {"did": [1024, 1024]}


@shows("stream", *BOTH)
def test_a_stream_ends_with_the_image(did):
    """It has one event, which is the completed image."""
    assert did["stream"] == {"did": [["image_generation.completed", [1024, 1024]]]}


@shows("stream edits", "openai-python")
def test_an_edit_streams_too(python):
    """The completed event of an edit has its own name."""
    assert python["stream_edit"] == {"did": [["image_edit.completed", [1024, 1024]]]}


@shows("typed errors", *BOTH)
def test_an_invalid_request_raises_the_packages_own_error(did):
    """Its `param` names the field."""
    assert did["refuse"] == {"did": "prompt"}
